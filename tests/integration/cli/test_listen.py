"""`reelqueue listen` as a process, between a feed and a receiver, with and without a terminal."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from standardwebhooks import Webhook

from fakes.feed_gateway import KEY, FeedGateway, Trouble
from fakes.listening import ENDS_S, Listening
from fakes.live_stack import plain_environment
from fakes.receivers import Reply, WebhookReceiver
from fakes.windows import CLOSED
from fixtures.eventually import Eventually

Listen = Callable[..., Listening]
WINDOWS = "fakes.windows"


@pytest.fixture
def listen(gateway: FeedGateway, receiver: WebhookReceiver, config, eventually: Eventually) -> Iterator[Listen]:
    """Start the command; returns once it follows."""
    made: list[Listening] = []

    def start(
        *words: str,
        terminal: bool = False,
        follows: bool = True,
        key: str = KEY,
        url: str = "",
        module: str = "reelqueue",
    ) -> Listening:
        ours = {"REELQUEUE_URL": url or gateway.url, "REELQUEUE_API_KEY": key, "XDG_CONFIG_HOME": str(config.parent)}
        one = Listening(
            ["--forward-to", receiver.url.replace("127.0.0.1", "localhost"), *words],
            {**plain_environment(), **ours},
            terminal=terminal,
            module=module,
        )
        made.append(one)
        if follows:
            eventually(lambda: any(int(asked.get("wait", 0)) > 0 for asked in gateway.asked), ENDS_S)
        return one

    yield start
    for one in made:
        one.close()


def secret_of(config) -> str:
    return (config / "webhook_secret").read_text().strip()


def test_each_event_from_now_on_arrives_signed_as_the_service_would_send_it(
    gateway, receiver, listen, config, eventually
):
    gateway.add("job.queued", job="job_old")
    one = listen()
    told = [gateway.add("job.queued"), gateway.add("job.succeeded", job_seq=2), gateway.add("endpoint.x", job=None)]
    eventually(lambda: len(one.rows) == 4)
    hooks = receiver.hooks()
    assert [hook.headers["webhook-id"] for hook in hooks] == ["evt_2", "evt_3", "evt_4"]
    for number, (hook, event) in enumerate(zip(hooks, told, strict=True), start=1):
        data = {**event["data"], "delivery_seq": number}
        wanted = {"type": event["type"], "timestamp": event["timestamp"], "data": data}
        assert Webhook(secret_of(config)).verify(hook.body, dict(hook.headers)) == wanted
        assert hook.body == json.dumps(wanted, ensure_ascii=False, separators=(",", ":")).encode()
        assert hook.headers["content-type"] == "application/json"
    assert one.end() == 0
    begin, *sent, end = one.rows
    assert begin["begin"] == 2
    assert "whsec_" not in one.text
    assert [(row["type"], row["job"], row["seq"], row["status"]) for row in sent] == [
        ("job.queued", "job_1", 1, 204),
        ("job.succeeded", "job_1", 2, 204),
        ("endpoint.x", None, None, 204),
    ]
    assert end == {"sent": 3, "failed": 0, "next": 5}


def test_a_person_sees_a_line_for_each_and_r_sends_the_last_again(gateway, receiver, listen, config, eventually):
    one = listen(terminal=True)
    eventually(lambda: "r sends the last one again" in one.text)
    assert not one.echoes()
    one.press("r")
    eventually(lambda: "Nothing was sent yet." in one.text)
    receiver.script(Reply(status=500, body=b"\x1b[31mno such table: orders\nTraceback"))
    gateway.add("job.failed", job="job_7", job_seq=6)
    eventually(lambda: "500" in one.text)
    one.press("r")
    eventually(lambda: "again\n" in one.text)
    first, second = receiver.hooks()
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    one.press("q")
    assert one.ended() == 0
    assert one.echoes()
    assert f"Signed   {secret_of(config)}" in one.text
    assert str(config / "webhook_secret") in one.text
    failed, again = [line for line in one.text.splitlines() if "job_7" in line]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d     1  job\.failed         job_7 +#6   500 +\d+ ms  \[31mno such table: orders", failed
    )
    assert re.search(r"204 +\d+ ms  again$", again)
    assert one.text.endswith("Ended. 1 sent, 1 of them not taken. To go on from here: --from 2\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_at_once_and_leaves_the_terminal_in_order_even_while_a_receiver_holds_it(
    gateway, receiver, listen, eventually, number
):
    held = threading.Event()
    receiver.script(Reply(until=held))
    one = listen(terminal=True)
    gateway.add("job.queued")
    eventually(receiver.hooks)
    assert one.end(number) == 0
    held.set()
    assert one.echoes()
    assert "Traceback" not in one.text
    assert one.text.endswith("Ended. 0 sent. To go on from here: --from 1\n")


def test_on_windows_it_reads_the_console_and_ends_with_it(gateway, receiver, listen, eventually):
    one = listen(terminal=True, module=WINDOWS)
    eventually(lambda: "r sends the last one again" in one.text)
    gateway.add("job.succeeded", job="job_7")
    eventually(lambda: "204" in one.text)
    one.press("r\n")
    eventually(lambda: "again\n" in one.text)
    assert len(receiver.hooks()) == 2
    assert one.end(CLOSED) == 0
    assert one.text.endswith("Ended. 1 sent. To go on from here: --from 2\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_windows_it_runs_without_a_console_too(gateway, receiver, listen, eventually, number):
    one = listen(module=WINDOWS)
    gateway.add("job.succeeded", job="job_7")
    eventually(receiver.hooks)
    eventually(lambda: len(one.rows) == 2)
    assert one.end(number) == 0
    assert one.rows[-1] == {"sent": 1, "failed": 0, "next": 2}


def test_it_begins_where_it_is_told_with_what_it_is_told(gateway, receiver, listen, eventually):
    for kind in ("job.queued", "job.succeeded", "job.queued", "job.failed", "job.succeeded"):
        gateway.add(kind)
    listen("--from", "3", "--events", "job.succeeded, job.failed")
    hooks = eventually(lambda: len(receiver.hooks()) == 2 and receiver.hooks())
    assert [hook.headers["webhook-id"] for hook in hooks] == ["evt_4", "evt_5"]
    assert {asked["types"] for asked in gateway.asked} == {"job.succeeded,job.failed"}


def test_over_lost_connections_it_goes_on_from_its_last_position(gateway, receiver, listen, eventually):
    one = listen()
    gateway.add("job.queued")
    eventually(lambda: len(receiver.hooks()) == 1)
    busy = Trouble(status=429, problem={"code": "rate_limited", "title": "Busy"}, headers={"retry-after": "1"})
    gateway.trouble(Trouble(cut=True), Trouble(status=502), busy)
    for _ in range(4):
        gateway.add("job.progress")
    hooks = eventually(lambda: len(receiver.hooks()) == 5 and receiver.hooks(), ENDS_S)
    assert [hook.headers["webhook-id"] for hook in hooks] == [f"evt_{n}" for n in range(1, 6)]
    assert one.end() == 0
    reasons = [row.get("reason") for row in one.rows if "connected" in row]
    assert [re.sub(r"\(.*\)", "()", reason or "back") for reason in reasons] == [
        "the gateway does not answer ()",
        "HTTP 502",
        "rate_limited: Busy",
        "back",
    ]


def test_what_a_receiver_does_not_take_is_shown_and_the_next_is_sent(gateway, receiver, listen, eventually):
    receiver.script(Reply(cut=True), Reply(status=302, headers={"location": "/elsewhere"}))
    one = listen()
    for _ in range(3):
        gateway.add("job.progress")
    eventually(lambda: len(one.rows) == 4)
    assert one.end() == 0
    assert [(row["status"], row["error"]) for row in one.rows[1:-1]] == [
        (None, "wait"),
        (302, "redirect"),
        (204, None),
    ]


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        ({"code": "feed_position_expired", "detail": "The oldest is 900."}, 410),
        ({"code": "forbidden", "title": "No."}, 403),
    ],
)
def test_what_asking_again_does_not_change_ends_it_in_words(gateway, listen, problem, status):
    gateway.trouble(Trouble(status=status, problem=problem))
    one = listen("--from", "1", follows=False)
    assert one.ended() == 1
    assert f"reelqueue: {problem['code']}: " in one.text
    assert "Traceback" not in one.text


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"key": "rq_other"}, r"reelqueue: unauthorized: Who are you\?\n"),
        ({"url": "http://127.0.0.1:1"}, r"reelqueue: http://127\.0\.0\.1:1 does not answer \(ConnectError\)\n"),
    ],
)
def test_a_wrong_key_and_a_gateway_that_is_not_there_are_said_in_words(listen, how, words):
    one = listen(follows=False, **how)
    assert one.ended() == 1
    assert re.fullmatch(words, one.text)
