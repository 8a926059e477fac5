"""`docs/errors.md`, from `errors/` and the few refusals that only HTTP knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reelqueue.dev.docs.markdown import first_line, page, table
from reelqueue.dev.docs.upstream_errors import harmless_calls, may_cost, upstream_table, where_table
from reelqueue.domain.verdicts import Fail, Retry, Snooze, Verdict
from reelqueue.errors import (
    CallerError,
    DependencyUnavailable,
    GatewayError,
    InternalError,
    ReelqueueError,
    StorageFull,
    UpstreamError,
    every_class,
)
from reelqueue.gateway import errors as _of_http
from reelqueue.gateway import protocol as _of_the_protocol
from reelqueue.jobs.faults import verdict_on

_INTRO = """
Every refusal is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `code`, `detail`, `errors[]`, `fix`,
`retryable`, `request_id`. `code` is stable: write your program against it. `errors[]` names each place with an RFC 6901
`pointer` into the body, or a `parameter` for a query or a header. The value that was refused is never repeated.

A job that failed carries `error {code, message, blame, retryable, spent, fix, link, docs}` with the same codes. `spent`
is what it is known to have cost, in credits; `link` is where a person can do what `fix` says, if there is such a place.

`blame` says who can do something about it: `caller` (you, or your NemoVideo account), `upstream` (NemoVideo), `gateway`
(whoever runs this service). `retryable` is for you: a new attempt of yours may succeed though you changed nothing. It
says nothing of ourselves; what we try again without you has a column of its own, and a job that failed is past that.
"""
_REQUESTS = "What a request can be answered with. Nothing was done: no row, no file, no charge."
_JOBS = """
What an accepted job can fail with. Two people ask whether it is worth another try, so there are two answers:

- *you may try again*: `retryable`. A retry (`POST /v1/jobs/{id}/retry`) or a new job may succeed, with nothing changed.
- *we try again*: what a step does by itself before the job fails with it. `yes` uses up one of its attempts; `waits`
  uses none. A turn that was sent is never sent again, whatever this column says; see the last table for each place.

*Credits* is `perhaps` where the job may fail so after a turn that was charged and came to nothing, or that nobody saw
the end of: `billing` says what is known of it. Where it is `no` the failing itself is free; what earlier turns cost is
in `spent`, as always.
"""
_UPSTREAM = """
What NemoVideo can do to a job, and what the job makes of it. A number in a JSON answer outranks the status that it came
with. Behind an accepted head nothing proves that a turn was not begun: a code inside a stream fails the job, or has the
session looked at, and the turn is never sent again.
"""
_BY_US: Final[Mapping[type[Verdict], str]] = {Retry: "yes", Snooze: "waits", Fail: "no"}
_BOTH = (DependencyUnavailable, StorageFull, InternalError)


def errors_page() -> str:
    """The page."""
    known = list(_errors())
    requests = [error for error in known if issubclass(error, (CallerError, *_BOTH))]
    jobs = [error for error in known if issubclass(error, (UpstreamError, GatewayError))]
    return page(
        "Errors",
        _INTRO,
        "## Requests",
        _REQUESTS,
        _requests(requests),
        "## Jobs",
        _JOBS,
        _jobs(jobs),
        "## From NemoVideo to your job",
        _UPSTREAM,
        harmless_calls(),
        where_table(),
        upstream_table(),
        source="`services/reelqueue/errors/` and `services/reelqueue/nemo/error_table.py`",
    )


def _errors() -> Iterator[type[ReelqueueError]]:
    """Each code once, as the class nearest to the root says it. Classes that only group others are left out."""
    assert _of_http
    assert _of_the_protocol  # imported for the classes they define
    seen = {ReelqueueError.code, UpstreamError.code}
    for error in every_class():
        if error.code not in seen:
            seen.add(error.code)
            yield error


def _requests(errors: Sequence[type[ReelqueueError]]) -> str:
    head = ["code", "HTTP", "blame", "`retryable`", "meaning", "what to do"]
    return table(head, [_request(error) for error in sorted(errors, key=lambda error: (error.status, error.code))])


def _request(error: type[ReelqueueError]) -> list[str]:
    place, meaning = f'<a id="{error.code}"></a>`{error.code}`', first_line(error.__doc__)
    return [place, str(error.status), error.blame, _yes(error.retryable), meaning, error.fix]


def _jobs(errors: Sequence[type[ReelqueueError]]) -> str:
    head = ["code", "blame", "you may try again", "we try again", "credits", "meaning", "what to do"]
    return table(head, [_job(error) for error in sorted(errors, key=lambda error: error.code)])


def _job(error: type[ReelqueueError]) -> list[str]:
    # Where both lists have it, the first has the anchor.
    place = f"`{error.code}`" if issubclass(error, _BOTH) else f'<a id="{error.code}"></a>`{error.code}`'
    cost = "perhaps" if may_cost(error) else "no"
    again = _BY_US[type(verdict_on(error()))]
    return [place, error.blame, _yes(error.retryable), again, cost, first_line(error.__doc__), error.fix]


def _yes(value: bool) -> str:  # noqa: FBT001 - a word for it
    return "yes" if value else "no"
