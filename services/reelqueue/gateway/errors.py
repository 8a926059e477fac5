"""Refusals that only HTTP knows, and the one that lists several violations."""

from __future__ import annotations

from dataclasses import dataclass

from reelqueue.errors import CallerError, ValidationFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule that a request breaks, and where: an RFC 6901 pointer into the body, or a query or header name.

    `message` is the rule. The value that broke it is nowhere.
    """

    code: str
    message: str
    pointer: str | None = None
    parameter: str | None = None


class RequestInvalid(ValidationFailed):
    """The request is well formed, but a value in it is not acceptable."""

    def __init__(self, *violations: Violation) -> None:
        """At least one."""
        first = violations[0]
        place = first.pointer or first.parameter or "The request"
        super().__init__(f"{place}: {first.message}", pointer=first.pointer)
        self.violations = violations


class UriTooLong(CallerError):
    """The URL is longer than allowed."""

    code = "uri_too_long"
    status = 414
    fix = "Shorten the query."


class HeadersTooLarge(CallerError):
    """The request has too many headers, or too large ones."""

    code = "headers_too_large"
    status = 431
    fix = "Send fewer and smaller headers."
