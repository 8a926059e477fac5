"""The two stages of a generation are two moments: the raw clip can be seen and played before the rest is done."""

import io
import re

import av
import httpx
import pytest

from fakes.twin import LOCAL, decoded, picture, until

STAGE_ONE, STAGE_TWO = [0], [0, 1, 7, 42]


def tracks(draft):
    return [track["tt"] for track in draft.get("t", [])]


def frames_of(content):
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        images = [frame.to_image() for frame in container.decode(stream)]
    return stream.codec_context.name, images


def test_a_client_sees_the_raw_clip_in_the_middle_of_a_turn(twin, user):
    twin.settings(speed=1, heartbeat="none", generation_seconds=(200.0, 200.0))
    project = user.session()
    project.upload(("a.png", picture("red")))
    with project.open("animate this photo, 2 seconds, square") as stream:
        chunks = stream.iter_raw()

        def event(*, after):
            twin.control("clock", advance=after)
            return decoded(next(chunks))[0]

        assert [event(after=2)["actions"]["stateDelta"] for _ in range(2)] == [{}, {}]
        assert project.state()["draft"] == {}
        assert project.state()["generated_media"] == []

        done = event(after=150)
        delta = done["actions"]["stateDelta"]
        assert done["content"]["parts"][0]["functionResponse"]["response"]["status"] == "ok"
        assert tracks(delta["draft"]) == STAGE_ONE
        state = project.state()
        assert tracks(state["draft"]) == STAGE_ONE
        assert state["generated_media"] == delta["generated_media"]
        assert project.turns()[-1]["outcome"] == "running"
        assert user.balance()["frozen"] == 100

        (media,) = state["generated_media"]
        assert media["cdn_url"].startswith(twin.cdn_url)
        clip = httpx.get(media["cdn_url"], **LOCAL)
        assert clip.headers["content-type"] == "video/mp4"
        codec, images = frames_of(clip.content)
        assert codec == "h264"
        assert len(images) == pytest.approx(48, abs=2)
        red, green, blue = images[10].getpixel((40, 40))
        assert red > 200 > max(green, blue)
        part = httpx.get(media["cdn_url"], headers={"Range": "bytes=0-9"}, **LOCAL)
        assert (part.status_code, part.content) == (206, clip.content[:10])

        # Stage two takes a fifth of the turn, so there is time for all this.
        assert project.turns()[-1]["outcome"] == "running"
        twin.settings(speed=2000)
        for _ in chunks:
            pass
    assert tracks(project.state()["draft"]) == STAGE_TWO
    assert project.state()["generated_media"] == [media]


def test_stage_two_may_come_track_by_track(twin, user):
    twin.settings(second_stage_edits="one_by_one")
    project = user.project()
    events = project.events("animate this photo")
    grown = [tracks(event["actions"]["stateDelta"]["draft"]) for event in events if event["actions"]["stateDelta"]]
    assert grown == [[0], [0, 1], [0, 1, 7], STAGE_TWO]
    assert all(len(event["content"]["parts"]) <= 3 for event in events if "content" in event)


def test_several_edits_are_called_in_parallel_by_default(user):
    events = user.project().events("animate this photo")
    called = [
        [part for part in event.get("content", {}).get("parts", []) if "functionCall" in part] for event in events
    ]
    assert max(map(len, called)) == 3


def test_every_clip_of_a_session_can_be_played(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    project.say("generate another clip, 1 second")
    first, second = (media["cdn_url"] for media in project.state()["generated_media"])
    assert first != second
    for url in (first, second):
        assert httpx.get(url, **LOCAL).content[4:8] == b"ftyp"


def test_a_clip_of_nothing_but_words_can_be_played(twin, user):
    project = user.session()
    project.say("make a 1-second sunset timelapse video")
    (media,) = project.state()["generated_media"]
    assert frames_of(httpx.get(media["cdn_url"], **LOCAL).content)[1]


def test_the_tiny_film_stands_for_it_in_instant_mode(twin, user):
    twin.settings(instant=True)
    project = user.project()
    project.say("animate this photo, 60 seconds")
    project.submit("r")
    film = httpx.get(project.rendered("r")["outputUrl"], **LOCAL).content
    assert httpx.get(project.state()["generated_media"][0]["cdn_url"], **LOCAL).content == film


def test_what_was_never_generated_is_not_there(twin, user):
    project = user.project()
    twin.fault("run_sse", "turn_error")
    project.say("animate this photo")
    for name in ("clip_0123456789.mp4", "clip_x.mp4", "..%2f..%2fstate.json", "x"):
        assert httpx.get(f"{twin.cdn_url}/generated/{name}", **LOCAL).status_code == 404


def test_a_clip_asked_for_by_many_is_filmed_once(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    url = project.state()["generated_media"][0]["cdn_url"]
    with httpx.Client(**LOCAL, timeout=0.001) as hurried:
        for _ in range(3):
            with pytest.raises(httpx.TimeoutException):
                hurried.get(url)
    assert until(lambda: httpx.get(url, **LOCAL).content)[4:8] == b"ftyp"


def test_a_generation_that_never_was_takes_its_clip_along(twin, user):
    twin.settings(heartbeat="none", speed=500)
    project = user.project()
    between = project.say("animate this photo").index(b"transferToAgent")
    other = user.project()
    twin.fault("run_sse", "drop", at_byte=between, work="canceled")
    received, _ = other.cut("animate this photo")
    (url,) = re.findall(rb'"generated_media":\[\{[^}]*"cdn_url":"([^"]+)"', received)
    assert other.ended_turn()["outcome"] == "canceled"
    assert httpx.get(url.decode(), **LOCAL).status_code == 404
