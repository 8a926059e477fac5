"""`docs/errors.md`, from `errors/` and the few refusals that only HTTP knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reelqueue.dev.docs.markdown import first_line, page, table
from reelqueue.errors import (
    CallerError,
    DependencyUnavailable,
    GatewayError,
    InternalError,
    ReelqueueError,
    StorageFull,
    UpstreamError,
)
from reelqueue.gateway import errors as _of_http
from reelqueue.gateway import protocol as _of_the_protocol

_INTRO = """
Every refusal is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `code`, `detail`, `errors[]`, `fix`,
`retryable`, `request_id`. `code` is stable: write your program against it. `errors[]` names each place with an RFC 6901
`pointer` into the body, or a `parameter` for a query or a header. The value that was refused is never repeated.

A job that failed carries `error {code, message, blame, retryable, spent, fix, link, docs}` with the same codes. `spent`
is what it is known to have cost, in credits; `link` is where a person can do what `fix` says, if there is such a place.

`blame` says who can do something about it: `caller` (you, or your NemoVideo account), `upstream` (NemoVideo), `gateway`
(whoever runs this service). `retryable` says whether the very same request can succeed later.
"""
_REQUESTS = "What a request can be answered with. Nothing was done: no row, no file, no charge."
_JOBS = "What an accepted job can fail with."
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
        _table(requests, with_status=True),
        "## Jobs",
        _JOBS,
        _table(jobs, with_status=False),
        source="`services/reelqueue/errors/`",
    )


def _errors() -> Iterator[type[ReelqueueError]]:
    """Each code once, as the class nearest to the root says it. Classes that only group others are left out."""
    assert _of_http
    assert _of_the_protocol  # imported for the classes they define
    seen = {ReelqueueError.code, UpstreamError.code}
    waiting = list(ReelqueueError.__subclasses__())
    while waiting:
        error = waiting.pop(0)
        waiting += error.__subclasses__()
        if error.code not in seen:
            seen.add(error.code)
            yield error


def _table(errors: Sequence[type[ReelqueueError]], *, with_status: bool) -> str:
    rows = []
    for error in sorted(errors, key=lambda error: (error.status if with_status else 0, error.code)):
        status = [str(error.status)] if with_status else []
        retryable = "yes" if error.retryable else "no"
        meaning = first_line(error.__doc__)
        rows.append([f'<a id="{error.code}"></a>`{error.code}`', *status, error.blame, retryable, meaning, error.fix])
    head = ["code", *(["HTTP"] if with_status else []), "blame", "retryable", "meaning", "what to do"]
    return table(head, rows)
