"""`/v1/projects` over HTTP. No worker runs: what jobs would have done is put into the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, update

from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.upstream import draft, state
from reelqueue.domain.drafts import read_timeline
from reelqueue.domain.jobs import Status
from reelqueue.domain.sessions import ProjectState
from reelqueue.domain.timeline_rows import timeline_facts, track_rows
from reelqueue.domain.upstream import ClaimToken
from reelqueue.gateway.schemas.documents import Job
from reelqueue.gateway.schemas.project_documents import (
    ClaimLink,
    Message,
    Project,
    ProjectList,
    Timeline,
    VersionList,
)
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import draft_versions, jobs, projects, upstream_tokens

Make = Callable[..., dict[str, Any]]
ASKED_AT = "2026-03-01T12:00:00.000Z"
QUESTION = {"instruction": 0, "text": "Which song?", "asked_at": ASKED_AT, "until": None}


@pytest.fixture
def project(tenant: TenantClient) -> dict[str, Any]:
    return dict(tenant.post("/v1/projects", json={"name": "Summer", "metadata": {"a": "b"}}).json())


@pytest.fixture
def with_version(gateway: RunningGateway, tenant: TenantClient) -> Callable[..., None]:
    def keep(project: dict[str, Any], *names: str, number: int = 1) -> None:
        made = draft(*names)
        timeline = read_timeline(made)
        row = {
            "project_id": project["id"],
            "number": number,
            "tenant_id": tenant.tenant_id,
            "digest": str(number),
            "draft": json.dumps(made),
            "timeline": list(track_rows(timeline)),
            "facts": timeline_facts(timeline),
            "exportable": bool(names),
        }
        with gateway.services.database.statement() as connection:
            connection.execute(insert(draft_versions).values(row))

    return keep


@pytest.fixture
def asking(gateway: RunningGateway, tenant: TenantClient, project: dict[str, Any]) -> dict[str, Any]:
    """A job of the project whose agent waits for an answer."""
    job = tenant.job(project=project["id"])
    gateway.driver.move(
        job["id"], Status.UPLOADING, Status.INSTRUCTING, Status.REQUIRES_INPUT, question=QUESTION, due_at=None
    )
    return job


def test_a_project_is_made_read_and_listed(tenant: TenantClient, other_tenant: TenantClient) -> None:
    made = tenant.post("/v1/projects", json={"name": "Summer", "customer": "c1", "external_id": "e1"})
    assert made.status_code == 201
    shown = made.json()
    Project.model_validate(shown)
    assert made.headers["location"] == f"/v1/projects/{shown['id']}"
    assert (shown["state"], shown["version"], shown["live_jobs"]) == ("new", None, [])
    assert tenant.get(f"/v1/projects/{shown['id']}").json() == shown
    bare = tenant.post("/v1/projects").json()
    for query, expected in (("", [bare["id"], shown["id"]]), ("?customer=c1", [shown["id"]]), ("?external_id=x", [])):
        found = tenant.get(f"/v1/projects{query}").json()
        ProjectList.model_validate(found)
        assert [one["id"] for one in found["data"]] == expected
    assert other_tenant.get("/v1/projects").json()["data"] == []


def test_pages_of_projects(tenant: TenantClient) -> None:
    made = [tenant.post("/v1/projects").json()["id"] for _ in range(3)]
    first = tenant.get("/v1/projects?limit=2").json()
    second = tenant.get(f"/v1/projects?limit=2&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in first["data"] + second["data"]] == made[::-1]


def test_a_job_in_a_project_says_that_it_waits_for_the_one_before(
    tenant: TenantClient, project: dict[str, Any], gateway: RunningGateway
) -> None:
    first, second = (tenant.job(project=project["id"]) for _ in range(2))
    assert [job["waiting"]["reason"] for job in (first, second)] == ["its_turn", "project_busy"]
    assert tenant.get(f"/v1/jobs/{second['id']}").json()["waiting"]["reason"] == "project_busy"
    assert tenant.get(f"/v1/projects/{project['id']}").json()["live_jobs"] == [first["id"], second["id"]]
    gateway.driver.move(first["id"], Status.CANCELED)
    assert tenant.get(f"/v1/jobs/{second['id']}").json()["waiting"]["reason"] == "its_turn"
    assert [one["id"] for one in tenant.get(f"/v1/jobs?project={project['id']}").json()["data"]] == [
        second["id"],
        first["id"],
    ]


def test_a_job_has_its_projects_language_unless_it_says_another(tenant: TenantClient) -> None:
    project = tenant.post("/v1/projects", json={"language": "zh-CN"}).json()
    assert tenant.job(project=project["id"])["language"] == "zh-CN"
    assert tenant.job(project=project["id"], language="en")["language"] == "en"


@pytest.mark.parametrize("name", ["prj_" + "0" * 26, "prj_x", "nonsense"])
def test_a_job_in_a_project_that_is_not_there_is_refused(tenant: TenantClient, name: str) -> None:
    problem = assert_problem(tenant.submit(project=name), 404, "not_found")
    assert problem["errors"][0]["pointer"] == "/project"
    assert tenant.jobs() == []


def test_a_job_in_a_foreign_project_is_refused_alike(
    tenant: TenantClient, other_tenant: TenantClient, project: dict[str, Any]
) -> None:
    answers = [other_tenant.submit(project=name).json() for name in (project["id"], "prj_" + "0" * 26)]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]


def test_a_project_whose_session_is_gone_takes_no_more_jobs(
    tenant: TenantClient, project: dict[str, Any], gateway: RunningGateway, with_version: Callable[..., None]
) -> None:
    token = {"id": new_id("upstream_token"), "tenant_id": tenant.tenant_id, "label": "x", "kind": "supplied"}
    token |= {"secret": b"x", "fingerprint": b"f"}
    lost = update(projects).where(projects.c.id == project["id"])
    with gateway.services.database.statement() as connection:
        connection.execute(insert(upstream_tokens).values(token))
        connection.execute(lost.values(state="lost", session_id=new_id("request"), token_id=token["id"]))
    assert_problem(tenant.submit(project=project["id"]), 409, "state_conflict")
    with_version(project, "city")
    assert tenant.post(f"/v1/projects/{project['id']}/exports").status_code == 202


# --- timeline and versions -------------------------------------------------------------------------------------------


def test_the_timeline_is_the_newest_version_or_the_one_asked_for(
    tenant: TenantClient, project: dict[str, Any], with_version: Callable[..., None]
) -> None:
    at = f"/v1/projects/{project['id']}/timeline"
    empty = tenant.get(at).json()
    Timeline.model_validate(empty)
    assert (empty["version"], empty["text"]) == (None, "Timeline (0 tracks)")
    with_version(project, "city")
    with_version(project, "city", "sea", number=2)
    newest = tenant.get(at).json()
    Timeline.model_validate(newest)
    assert (newest["version"], newest["text"]) == (2, "Timeline (2 tracks): 1. Video: city (0-1s) 2. Video: sea (0-1s)")
    assert tenant.get(f"{at}?version=1").json()["text"] == "Timeline (1 track): 1. Video: city (0-1s)"
    assert_problem(tenant.get(f"{at}?version=3"), 404, "not_found")
    for query in ("?version=0", "?version=x", "?live=yes", "?version=1&live=true", "?fresh=1"):
        assert tenant.get(at + query).status_code == 422
    assert_problem(tenant.get(f"{at}?live=true"), 409, "state_conflict")


def test_versions_are_listed_in_pages(
    tenant: TenantClient, project: dict[str, Any], with_version: Callable[..., None]
) -> None:
    for number in range(1, 13):
        with_version(project, "city", number=number)
    at = f"/v1/projects/{project['id']}/versions?limit=10"
    first = tenant.get(at).json()
    VersionList.model_validate(first)
    second = tenant.get(f"{at}&cursor={first['next_cursor']}").json()
    assert [one["number"] for one in first["data"] + second["data"]] == list(range(12, 0, -1))
    assert (first["data"][0]["duration_ms"], first["data"][0]["job"]) == (1000, None)


@pytest.fixture
def reached(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A session that is ready, and an upstream that answers."""
    views = gateway.services.project_views
    session = SimpleNamespace(state=ProjectState.READY, session_id="s1", task_id="t1", token_id="tok", id="prj")
    upstream = SimpleNamespace(
        state=lambda credential, session_id: state("now"),
        claim_token=lambda credential, *, task_id, session_id: ClaimToken(f"clm_{task_id}-{session_id}", 600.0),
    )
    monkeypatch.setattr(views, "_sessions", SimpleNamespace(find=lambda *_: session))
    monkeypatch.setattr(views, "_desk", SimpleNamespace(using=lambda token_id, action: action(None)))
    monkeypatch.setattr(views, "_upstream", upstream)
    return session


def test_a_live_timeline_is_nemovideos_own_answer(
    tenant: TenantClient, project: dict[str, Any], reached: SimpleNamespace, with_version: Callable[..., None]
) -> None:
    with_version(project, "then")
    live = tenant.get(f"/v1/projects/{project['id']}/timeline?live=true").json()
    assert (live["version"], live["tracks"][0]["name"]) == (None, "now")


def test_a_claim_link_has_the_claim_token_and_is_not_cached(
    tenant: TenantClient, project: dict[str, Any], reached: SimpleNamespace
) -> None:
    answer = tenant.post(f"/v1/projects/{project['id']}/claim-link")
    link = answer.json()
    ClaimLink.model_validate(link)
    assert link["url"].endswith("/workspace/claim?ct=clm_t1-s1")
    assert datetime.fromisoformat(link["expires_at"]) > datetime.now(UTC)
    assert answer.headers["cache-control"] == "no-store"
    reached.task_id = None
    assert_problem(tenant.post(f"/v1/projects/{project['id']}/claim-link"), 409, "state_conflict")
    reached.state = ProjectState.CREATING
    assert_problem(tenant.post(f"/v1/projects/{project['id']}/claim-link"), 409, "state_conflict")


# --- exports ---------------------------------------------------------------------------------------------------------


def test_a_version_is_exported_by_a_job_of_its_own(
    tenant: TenantClient, project: dict[str, Any], with_version: Callable[..., None]
) -> None:
    at = f"/v1/projects/{project['id']}/exports"
    assert_problem(tenant.post(at), 409, "state_conflict")
    with_version(project, "city")
    with_version(project, number=2)
    assert_problem(tenant.post(at), 409, "state_conflict")
    assert_problem(tenant.post(at, json={"version": 3}), 404, "not_found")
    wish = {"version": 1, "outputs": [{"quality": "low"}, {"quality": "high"}], "metadata": {"a": "b"}}
    answers = [tenant.post(at, json=wish, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    job = answers[0].json()
    Job.model_validate(job)
    assert [one.status_code for one in answers] == [202, 202]
    assert (answers[1].json()["id"], answers[1].headers["idempotent-replayed"]) == (job["id"], "true")
    assert (job["project"], job["version"], job["instructions"]) == (project["id"], 1, [])
    assert (job["step"], [one["quality"] for one in job["outputs"]]) == (
        {"attempt": 1, "instruction": None},
        ["low", "high"],
    )
    other = tenant.post(at, json={**wish, "version": 2}, headers={"Idempotency-Key": "k"})
    assert_problem(other, 422, "idempotency_key_reused")
    assert len(tenant.jobs()) == 1


@pytest.mark.parametrize(
    "body",
    [{"version": 0}, {"version": "1"}, {"version": 2**31}, {"output": {"quality": "x"}}, {"webhook_url": 1}, {"x": 1}],
)
def test_a_wish_that_makes_no_sense_is_refused(tenant: TenantClient, project: dict[str, Any], body: Any) -> None:
    assert tenant.post(f"/v1/projects/{project['id']}/exports", json=body).status_code == 422


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def say(tenant: TenantClient, project: dict[str, Any]) -> Make:
    def send(text: str, *, key: str | None = None, status: int | None = None, **members: Any) -> dict[str, Any]:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = tenant.post(
            f"/v1/projects/{project['id']}/messages", json={"message": text, **members}, headers=headers
        )
        if status is not None:
            assert answer.status_code == status, answer.text
        if answer.is_success:
            Message.model_validate(answer.json())
        return dict(answer.json())

    return send


def test_reading_makes_no_job(tenant: TenantClient, say: Make, with_version: Callable[..., None]) -> None:
    for text in ("how many credits do I have left?", "积分还有多少"):
        [deed] = say(text, status=200)["did"]
        assert (deed["intent"], deed["credits"]["source"], deed["job"]) == ("credits", "none", None)
    for text in ("status", "现在什么样了"):
        [deed] = say(text, status=200)["did"]
        assert (deed["intent"], deed["timeline"]["object"], deed["job"]) == ("status", "timeline", None)
    [deed] = say("upload a photo", status=200)["did"]
    assert (deed["intent"], deed["job"], deed["note"] is not None) == ("upload", None, True)
    assert tenant.jobs() == []


@pytest.mark.parametrize("text", ["export", "导出视频"])
def test_an_export_is_free_and_of_the_newest_version(
    say: Make, project: dict[str, Any], with_version: Callable[..., None], text: str
) -> None:
    say(text, status=409)
    with_version(project, "city")
    [deed] = say(text, status=202)["did"]
    assert (deed["intent"], deed["job"]["version"], deed["job"]["instructions"]) == ("export", 1, [])


def test_an_export_beside_a_running_edit_waits_for_it(
    tenant: TenantClient, say: Make, project: dict[str, Any], with_version: Callable[..., None]
) -> None:
    with_version(project, "city")
    tenant.job(project=project["id"])
    [deed] = say("export", status=202)["did"]
    assert (deed["job"]["version"], deed["job"]["waiting"]["reason"]) == (None, "project_busy")
    assert len(deed["job"]["outputs"]) == 1


def test_everything_else_is_the_agents_and_is_exported_only_if_it_says_so(say: Make, tenant: TenantClient) -> None:
    [edit] = say("add a title that says Hello", status=202)["did"]
    assert (edit["intent"], edit["job"]["instructions"], edit["job"]["outputs"]) == (
        "agent",
        ["add a title that says Hello"],
        [],
    )
    both = say("add warm music, then export", status=202)["did"]
    assert [deed["intent"] for deed in both] == ["agent", "export"]
    assert both[0]["job"]["id"] == both[1]["job"]["id"]
    assert (both[0]["job"]["instructions"], len(both[0]["job"]["outputs"])) == (["add warm music"], 1)
    assert len(tenant.jobs()) == 2


def test_inputs_go_up_with_the_instruction_or_alone(say: Make, tenant: TenantClient) -> None:
    url = "http://127.0.0.1:9/a.png"
    inputs = [{"url": url, "fetch": "upstream"}]
    alone = say("here are my photos", status=202, inputs=inputs)["did"]
    job = alone[-1]["job"]
    if [deed["intent"] for deed in alone] == ["upload"]:
        assert (job["instructions"], job["outputs"]) == ([], [])
    together = say("make it snow", status=202, inputs=inputs)["did"]
    assert [deed["intent"] for deed in together] == ["upload", "agent"]
    assert (together[0]["job"], together[1]["job"]["instructions"]) == (None, ["make it snow"])
    assert [one["url"] for one in together[1]["job"]["inputs"]] == [url]


def test_a_message_answers_the_open_question_once(
    tenant: TenantClient, say: Make, asking: dict[str, Any], gateway: RunningGateway
) -> None:
    first, second = (say("Golden Hour", status=202, key="k", asked_at=ASKED_AT)["did"][0] for _ in range(2))
    assert (first["job"]["id"], first["answered"], first["replayed"]) == (asking["id"], True, False)
    assert (second["job"]["id"], second["answered"], second["replayed"]) == (asking["id"], True, True)
    assert [one["text"] for one in second["job"]["answers"]] == ["Golden Hour"]
    assert len(tenant.jobs()) == 1


def test_a_message_for_another_question_or_for_none_is_refused(
    say: Make, tenant: TenantClient, asking: dict[str, Any], project: dict[str, Any]
) -> None:
    say("Golden Hour", status=409, asked_at="2026-03-01T12:00:01.000Z")
    say("Golden Hour", status=409, inputs=[{"url": "http://127.0.0.1:9/a.png", "fetch": "upstream"}])
    tenant.post(f"/v1/jobs/{asking['id']}/cancel")
    say("Golden Hour", status=409, asked_at=ASKED_AT)
    assert [job["status"] for job in tenant.jobs()] == ["canceled"]


def test_a_repeat_under_a_key_does_each_step_once(
    say: Make, tenant: TenantClient, project: dict[str, Any], with_version: Callable[..., None]
) -> None:
    with_version(project, "city")
    for replayed in (False, True):
        did = say("export, then make it snow", status=202, key="k")["did"]
        assert [(deed["intent"], deed["replayed"]) for deed in did] == [("export", replayed), ("agent", replayed)]
    assert len(tenant.jobs()) == 2
    say("make it rain", status=422, key="k")


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": " "}, {"message": 1}, {"message": "x", "text": "y"}])
def test_a_message_must_be_one(tenant: TenantClient, project: dict[str, Any], body: Any) -> None:
    assert tenant.post(f"/v1/projects/{project['id']}/messages", json=body).status_code == 422


def test_jobs_table_is_left_alone_by_what_is_refused(tenant: TenantClient, gateway: RunningGateway) -> None:
    with gateway.services.database.statement() as connection:
        bad = insert(jobs).values(id=new_id("job"), tenant_id=tenant.tenant_id, instructions=[], billing={})
        with pytest.raises(Exception, match="something_to_do"):
            connection.execute(bad)
