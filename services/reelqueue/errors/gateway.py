"""Ours."""

from __future__ import annotations

from reelqueue.errors.root import ReelqueueError


class GatewayError(ReelqueueError):
    """Reelqueue could not do its part."""


class DependencyUnavailable(GatewayError):
    """A service that Reelqueue needs does not answer."""

    code = "service_unavailable"
    status = 503
    retryable = True
    tried_again = True
    fix = "Repeat the request after `Retry-After`."


class RepairsUnavailable(GatewayError):
    """No picture can be repaired just now."""

    code = "repairs_unavailable"
    status = 503
    retryable = True
    fix = "Repeat the request after `Retry-After`, or send a JPEG or PNG."


class StorageFull(GatewayError):
    """There is no room left for files."""

    code = "storage_full"
    status = 507
    retryable = True
    tried_again = True
    fix = "Repeat the request later."


class DeadlineExceeded(GatewayError):
    """`finish_by` passed between two turns: what was paid for by then is exported, the rest was not begun."""

    code = "deadline_exceeded"
    retryable = True
    fix = "Retry the job: it goes on with the instruction that is next."


class DeadlineUnreachable(GatewayError):
    """The job could not meet its `start_by` or `finish_by`; it was given up before it cost anything."""

    code = "deadline_unreachable"
    fix = "Submit again with a later time; `POST /v1/jobs:quote` says which is within reach."


class NoUpstreamToken(GatewayError):
    """There is no usable NemoVideo token for this tenant."""

    code = "no_upstream_token"
    blame = "caller"
    fix = "Add a NemoVideo token for the tenant."


class Poisoned(GatewayError):
    """The job ended its worker three times and was set aside."""

    code = "poisoned"


class InternalError(GatewayError):
    """Something broke inside Reelqueue."""

    code = "internal_error"
    tried_again = True
