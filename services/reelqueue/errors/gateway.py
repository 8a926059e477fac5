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
    """The job did not finish by its `finish_by`."""

    code = "deadline_exceeded"
    fix = "Submit again with a later `finish_by`."


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
