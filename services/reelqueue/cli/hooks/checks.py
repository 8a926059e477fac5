"""What a receiver has to stand, one case after the other."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from reelqueue.cli.hooks.sample import sample
from reelqueue.cli.hooks.sending import Message, encoded
from reelqueue.kit.ids import new_id
from reelqueue.webhooks.signing import SIGNATURE_HEADER, TOLERANCE_S, generate_secret

LARGE_BYTES: Final = 512 * 1024
"""More than most events have. A job with a long history, or the timeline of a long film, comes near."""

AT_ONCE: Final = 20
"""As many as come to one receiver at a time when many jobs end together."""

_BEYOND_S: Final = 2 * TOLERANCE_S

Change = Callable[[dict[str, str], bytes], tuple[Mapping[str, str], bytes]]


def unchanged(headers: dict[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    """As it was signed."""
    return headers, body


@dataclass(frozen=True, slots=True)
class Try:
    """One POST. `secrets` sign it, at a moment `later_s` from now; `change` is made after it was signed."""

    message: Message
    secrets: Sequence[str] = field(repr=False)
    later_s: int = 0
    change: Change = unchanged


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to stand: all its tries should be `taken` (2xx), or all be `refused` (4xx).

    `why` is for whoever reads that it was not so. `at_once`: the tries are made at the same time.
    """

    name: str
    should: Literal["taken", "refused"]
    tries: Sequence[Try]
    why: str
    at_once: bool = False


def cases(kind: str, secret: str) -> Sequence[Case]:
    """All of them, in order: first what goes well every day, last whether it still does."""
    return [*_everyday(kind, secret), *_changes_to_come(kind, secret), *_forged(kind, secret), _after_all(kind, secret)]


def _everyday(kind: str, secret: str) -> list[Case]:
    ours = [secret]
    first = Try(_message(kind), ours)
    later, earlier = (Try(message, ours) for message in _of_one_job(kind, 7, 6))
    return [
        Case("a message", "taken", [first], "Answer with any 2xx within 15 seconds, and work later."),
        Case("the same again", "taken", [first], "Answer 2xx to an id that you have, or it comes ten times."),
        Case(
            "the same twice at once",
            "taken",
            [Try(_message(kind), ours)] * 2,
            "Two tries of one message may overlap. Let one of them win, and answer 2xx to both.",
            at_once=True,
        ),
        Case(
            "a late event of a job after a newer one",
            "taken",
            [later, earlier],
            "Tries are repeated, so an older `seq` may come later. Take it, and pass over it if you like.",
        ),
        Case(
            f"{AT_ONCE} messages at once",
            "taken",
            [Try(_message(kind), ours) for _ in range(AT_ONCE)],
            "Many jobs may end together. Put messages in a queue and answer.",
            at_once=True,
        ),
        Case(
            f"a body of {LARGE_BYTES // 1024} KiB",
            "taken",
            [Try(_with(_message(kind), data={"filler": "x" * LARGE_BYTES}), ours)],
            "Raise the largest body that your framework or proxy takes; many stop at 100 KiB.",
        ),
    ]


def _changes_to_come(kind: str, secret: str) -> list[Case]:
    ours, other = [secret], generate_secret()
    return [
        Case(
            "two signatures, while a secret is replaced",
            "taken",
            [Try(_message(kind), [other, secret]), Try(_message(kind), [secret, other])],
            "The header holds one signature for each secret, parted by spaces. One that fits is enough.",
        ),
        Case(
            "a signature of another scheme beside it",
            "taken",
            [Try(_message(kind), ours, change=_with_other_scheme)],
            "Pass over what does not begin with `v1,`.",
        ),
        Case(
            "an event of no job",
            "taken",
            [Try(sample("upstream.degraded"), ours)],
            "`upstream.*` and `endpoint.*` have no `data.job`. Look at `type` first.",
        ),
        Case(
            "a type it does not know",
            "taken",
            [Try(_with(_message(kind), type="job.of_next_year"), ours)],
            "Answer 2xx to types you do not handle: new ones may come at any time.",
        ),
        Case(
            "a member it does not know",
            "taken",
            [Try(_with(_message(kind), of_next_year=True, data={"of_next_year": {"a": 1}}), ours)],
            "Pass over members that you do not know: new ones may come at any time.",
        ),
    ]


def _forged(kind: str, secret: str) -> list[Case]:
    ours, everybody = [secret], "Verify before you read. Whoever knows the URL can post to it."
    return [
        Case("signed with another secret", "refused", [Try(_message(kind), [generate_secret()])], everybody),
        Case("no signature", "refused", [Try(_message(kind), ours, change=_unsigned)], everybody),
        Case(
            "a signature that is none",
            "refused",
            [Try(_message(kind), ours, change=_garbled(text)) for text in ("v1,", "v1,no base64!", "nonsense")],
            everybody,
        ),
        Case(
            "a changed body",
            "refused",
            [Try(_message(kind), ours, change=_other_body)],
            "Verify the bytes as they came, not what a parser made of them.",
        ),
        Case(
            "another id than was signed",
            "refused",
            [Try(_message(kind), ours, change=_other_id)],
            "The signature covers id, timestamp and body: `id.timestamp.body`.",
        ),
        Case(
            "a timestamp of ten minutes ago",
            "refused",
            [Try(_message(kind), ours, later_s=-_BEYOND_S)],
            "Refuse what is older than five minutes, or a message that somebody kept can be sent again for ever.",
        ),
        Case(
            "a timestamp in ten minutes",
            "refused",
            [Try(_message(kind), ours, later_s=_BEYOND_S)],
            "Refuse what is ahead by more than five minutes, or it can be sent again until then.",
        ),
    ]


def _after_all(kind: str, secret: str) -> Case:
    return Case("a message, after all that", "taken", [Try(_message(kind), [secret])], "Something above has broken it.")


def _message(kind: str) -> Message:
    """A message of a job of its own, so that no case stands in another's way."""
    [message] = _of_one_job(kind, None)
    return message


def _of_one_job(kind: str, *numbers: int | None) -> list[Message]:
    job_id = new_id("job")
    return [_renumbered(sample(kind), job_id, number) for number in numbers]


def _renumbered(message: Message, job_id: str, number: int | None) -> Message:
    body = json.loads(message.body)
    if "job" not in body["data"]:
        return message
    body["data"]["job"]["id"] = job_id
    if number is not None:
        body["data"]["seq"] = number
    return replace(message, body=encoded(body), job_id=job_id, job_seq=body["data"]["seq"])


def _with(message: Message, *, data: Mapping[str, Any] | None = None, **members: Any) -> Message:
    body = {**json.loads(message.body), **members}
    return replace(message, type=body["type"], body=encoded({**body, "data": {**body["data"], **(data or {})}}))


def _with_other_scheme(headers: dict[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    other = f"v1a,{secrets.token_urlsafe(64)}"
    return {**headers, SIGNATURE_HEADER: f"{other} {headers[SIGNATURE_HEADER]}"}, body


def _unsigned(headers: dict[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    return {name: value for name, value in headers.items() if not name.startswith("webhook-")}, body


def _garbled(text: str) -> Change:
    return lambda headers, body: ({**headers, SIGNATURE_HEADER: text}, body)


def _other_body(headers: dict[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    return headers, body.replace(b'"seq":', b'"seq":1', 1) if b'"seq":' in body else body[:-1] + b" }"


def _other_id(headers: dict[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    return {**headers, "webhook-id": new_id("event")}, body
