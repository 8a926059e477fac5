"""What is written down is what was there."""

from nemotwin.renders import Render
from nemotwin.sessions import Session
from nemotwin.snapshot import Snapshot, load, save


def session(**more):
    given = {"session_id": "1" * 19, "task_id": "t", "user_id": "u", "task_name": "p", "language": "en"}
    return Session(**given, ordinal=1, used_at=1.0, **more)


def render(**more):
    given = {"render_id": "r", "session_id": "1" * 19, "user_id": "u", "draft": {"t": []}, "output": {}}
    return Render(**given, created_at=1.0, seconds=30.0, **more)


def test_an_open_question_an_oddity_and_a_fault_outlive_a_restart(tmp_path):
    asked = session(question="add a title, ask me", question_kind="ask_title", oddity="strange", writes=3)
    twisted = render(stuck="pending", doomed="no", progress="backwards", hidden_urls=2, waits=True, began_at=2.0)
    save(tmp_path / "state.json", Snapshot(sessions=[asked], renders=[twisted]))
    loaded = load(tmp_path / "state.json")
    assert (loaded.sessions, loaded.renders) == ([asked], [twisted])


def test_a_file_from_before_these_fields_can_be_read(tmp_path):
    path = tmp_path / "state.json"
    save(path, Snapshot(sessions=[session()], renders=[render()]))
    text = path.read_text()
    for field in ('"question_kind":null,', '"oddity":null,', '"writes":0,', '"doomed":null,', '"waits":false,'):
        assert field in text
        text = text.replace(field, "")
    path.write_text(text)
    loaded = load(path)
    assert (loaded.sessions, loaded.renders) == ([session()], [render()])
