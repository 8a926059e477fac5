"""Every error Reelqueue raises on purpose, and whose fault it is.

    ReelqueueError
    ├── CallerError                  the request, or what it points at, is wrong
    │   ├── AuthenticationRequired     401  no key, or not one of ours
    │   ├── ScopeMissing               403  the key may not do this
    │   ├── NotFound                   404  no such thing for this tenant
    │   ├── MethodNotAllowed           405
    │   ├── JsonInvalid                400  not JSON
    │   │   └── JsonDuplicateKey         400  one member twice
    │   ├── ValidationFailed           422  JSON, but not what we ask for
    │   ├── MultipartInvalid           400
    │   ├── MediaTypeNotSupported      415
    │   ├── BodyTooLarge               413
    │   ├── RequestTimedOut            408  the body came too slowly
    │   ├── CursorInvalid              400
    │   ├── IdempotencyKeyInvalid      400
    │   ├── IdempotencyKeyReused       422  same key, other body
    │   ├── IdempotencyKeyInProgress   409
    │   ├── FileTypeNotAllowed         415
    │   ├── FileRefused                422  the file itself
    │   │   ├── FileEmpty, FileContentMismatch, ImageTooManyPixels, ImageTooManyFrames
    │   ├── FileTooLarge               413
    │   ├── UrlInvalid                 422  malformed, or of a kind that is not called
    │   ├── DestinationNotAllowed      422  egress rule: a place we never call
    │   ├── SourceUnreachable          422  an input URL that does not answer
    │   ├── StateConflict              409  the job is past that point
    │   ├── ResultGone                 410
    │   └── RangeNotSatisfiable        416
    ├── UpstreamError                NemoVideo refused or broke; the class says which
    │   ├── NotSent                      no request byte left us: safe to repeat
    │   ├── UpstreamUnavailable          5xx, 408, transport: repeat reads only
    │   ├── RateLimited                  429
    │   ├── TokenRejected                1001, 1010, 1011, 401
    │   ├── UpstreamForbidden            403
    │   ├── SessionNotFound              1002, 404 detail
    │   ├── CreditsExhausted             2001
    │   ├── ExportNotAllowed             402
    │   ├── FileUnsupportedUpstream      4001
    │   ├── FileTooLargeUpstream         4002, 413
    │   ├── ClientIdMissing              400 on the anonymous-token call
    │   ├── UpstreamRequestInvalid       400, 404, 405, 409, 422: our request was wrong
    │   ├── UpstreamProtocolError        an answer nobody can read
    │   ├── UpstreamRefused              a code nobody has documented
    │   ├── TurnFailed                   the agent reported an error
    │   ├── TurnInterrupted              the stream broke; the outcome is open
    │   ├── OutcomeUnknown               the recovery recipe ended without an answer
    │   ├── NoTimeline                   the agent built nothing that can be exported
    │   ├── RenderIdTaken                our render id exists already
    │   ├── RenderUnknown                no render of our id, or not yet
    │   ├── RenderFailed
    │   ├── RenderTimedOut
    │   └── ResultUnusable               the finished file is missing, cut or no video
    └── GatewayError                 ours
        ├── DependencyUnavailable      503  the database does not answer
        ├── StorageFull                507
        ├── DeadlineExceeded                finish_by passed
        ├── NoUpstreamToken                 no usable token for this tenant
        ├── Poisoned                        three claims ended without progress
        └── InternalError              500  a bug

A class carries what never changes: `code` (stable, public), `status` (HTTP, where a request can meet it), `blame`,
`retryable` (whether the same request can succeed later) and `fix` (what the reader can do). Its docstring is the
default message. An instance carries what happened. Mistakes of ours that no caller can act on stay outside the tree
as ordinary exceptions, so that catching `ReelqueueError` never hides one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

Blame = Literal["caller", "upstream", "gateway"]


class ReelqueueError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = "gateway"
    retryable: ClassVar[bool] = False
    fix: ClassVar[str] = "Tell us the request id."

    def __init__(
        self,
        message: str | None = None,
        *,
        pointer: str | None = None,
        retry_after: float | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """`pointer` is an RFC 6901 pointer into the request, `retry_after` is in seconds, `detail` is public JSON."""
        self.message = message or (type(self).__doc__ or "").strip().partition("\n")[0]
        self.pointer = pointer
        self.retry_after = retry_after
        self.detail: Mapping[str, Any] = detail or {}
        super().__init__(self.message)


# --- the caller ---------------------------------------------------------------------------------------------------


class CallerError(ReelqueueError):
    """The request cannot be carried out as it was sent."""

    code = "request_invalid"
    status = 400
    blame: ClassVar[Blame] = "caller"
    fix = "Correct the request and send it again."


class AuthenticationRequired(CallerError):
    """A valid API key is needed."""

    code = "authentication_required"
    status = 401
    fix = "Send `Authorization: Bearer rq_…` with a key that is neither revoked nor expired."


class ScopeMissing(CallerError):
    """This API key may not do that."""

    code = "scope_missing"
    status = 403
    fix = "Use a key that has the scope named in `scope`."


class NotFound(CallerError):
    """There is no such thing here."""

    code = "not_found"
    status = 404
    fix = "Check the id, and that the key belongs to the tenant that owns it."


class MethodNotAllowed(CallerError):
    """This resource does not take that method."""

    code = "method_not_allowed"
    status = 405
    fix = "See `Allow` for the methods it takes."


class JsonInvalid(CallerError):
    """The body is not valid JSON in UTF-8."""

    code = "json_invalid"
    fix = "Send one JSON object, in UTF-8, without NaN or Infinity."


class JsonDuplicateKey(JsonInvalid):
    """An object in the body has the same member twice."""

    code = "json_duplicate_key"
    fix = "Send each member once."


class ValidationFailed(CallerError):
    """The request is well formed, but a value in it is not acceptable."""

    code = "validation_failed"
    status = 422
    fix = "See `errors`: each names the place and the rule."


class MultipartInvalid(CallerError):
    """The multipart body is malformed."""

    code = "multipart_invalid"
    fix = "Let your HTTP client build the form: files in `files`, the other fields as text."


class MediaTypeNotSupported(CallerError):
    """The body's media type or encoding is not supported here."""

    code = "media_type_not_supported"
    status = 415
    fix = "Send `application/json` or `multipart/form-data`, without Content-Encoding."


class BodyTooLarge(CallerError):
    """The body is larger than allowed."""

    code = "body_too_large"
    status = 413
    fix = "See `limit_bytes`."


class RequestTimedOut(CallerError):
    """The body came too slowly."""

    code = "request_timeout"
    status = 408
    retryable = True
    fix = "Send the body faster, or in smaller files."


class CursorInvalid(CallerError):
    """The cursor is not one of ours, or not for this list and filter."""

    code = "cursor_invalid"
    fix = "Use `next_cursor` unchanged, with the same filters, or start again without a cursor."


class IdempotencyKeyInvalid(CallerError):
    """The Idempotency-Key header is malformed."""

    code = "idempotency_key_invalid"
    fix = "Send one key of 1 to 255 printable ASCII characters without spaces."


class IdempotencyKeyReused(CallerError):
    """This Idempotency-Key was used with another body."""

    code = "idempotency_key_reused"
    status = 422
    fix = "Use a new key for a new request."


class IdempotencyKeyInProgress(CallerError):
    """A request with this Idempotency-Key is being carried out."""

    code = "idempotency_key_in_progress"
    status = 409
    retryable = True
    fix = "Repeat the request after `Retry-After`."


class FileTypeNotAllowed(CallerError):
    """Files of this type are not accepted."""

    code = "file_type_not_allowed"
    status = 415
    fix = "Send mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a or aac."


class FileRefused(CallerError):
    """The file cannot be used."""

    code = "file_refused"
    status = 422
    fix = "Send another file."


class FileEmpty(FileRefused):
    """The file is empty."""

    code = "file_empty"


class FileContentMismatch(FileRefused):
    """The file's content is broken or not what its name says."""

    code = "file_content_mismatch"
    fix = "Export the file again and keep the extension that fits its content."


class ImageTooManyPixels(FileRefused):
    """The picture has more pixels than allowed."""

    code = "image_too_many_pixels"
    fix = "Scale the picture down; see `limit_pixels`."


class ImageTooManyFrames(FileRefused):
    """The animation has more frames than allowed."""

    code = "image_too_many_frames"
    fix = "Shorten the animation; see `limit_frames`."


class FileTooLarge(CallerError):
    """The file is larger than allowed."""

    code = "file_too_large"
    status = 413
    fix = "Compress or trim it; see `limit_bytes`."


class UrlInvalid(CallerError):
    """The URL is malformed, or not of a kind that is called from here."""

    code = "url_invalid"
    status = 422
    fix = "Send an absolute http or https URL with a full host name, without credentials."


class DestinationNotAllowed(CallerError):
    """This address may not be called from here."""

    code = "destination_not_allowed"
    status = 422
    fix = "Use a public https URL."


class SourceUnreachable(CallerError):
    """The input URL did not give us the file."""

    code = "source_unreachable"
    status = 422
    retryable = True
    fix = "Check that the URL can be read without a login, then send the request again."


class StateConflict(CallerError):
    """The job is past the point where that is possible."""

    code = "state_conflict"
    status = 409
    fix = "Read the job to see where it stands."


class ResultGone(CallerError):
    """The result is no longer kept."""

    code = "result_gone"
    status = 410
    fix = "Submit the job again."


class RangeNotSatisfiable(CallerError):
    """The requested range lies outside the file."""

    code = "range_not_satisfiable"
    status = 416
    fix = "Ask for a range within the file's size."


# --- NemoVideo ----------------------------------------------------------------------------------------------------


class UpstreamError(ReelqueueError):
    """NemoVideo refused the request or failed."""

    code = "upstream_error"
    status = 502
    blame: ClassVar[Blame] = "upstream"
    fix = "Try the job again later."


class NotSent(UpstreamError):
    """NemoVideo could not be reached; nothing was sent."""

    code = "upstream_unreachable"
    retryable = True


class UpstreamUnavailable(UpstreamError):
    """NemoVideo did not answer properly."""

    code = "upstream_unavailable"
    retryable = True


class RateLimited(UpstreamError):
    """NemoVideo asked us to slow down."""

    code = "upstream_rate_limited"
    retryable = True


class TokenRejected(UpstreamError):
    """NemoVideo does not accept the upstream token."""

    code = "upstream_token_invalid"
    blame = "caller"
    fix = "Add a valid NemoVideo token."


class UpstreamForbidden(UpstreamError):
    """The upstream token may not do this."""

    code = "upstream_forbidden"
    blame = "caller"
    fix = "Use a NemoVideo token with the scopes read, write, upload and render."


class SessionNotFound(UpstreamError):
    """NemoVideo no longer knows the project's session."""

    code = "upstream_session_lost"
    fix = "Submit the job again; its timeline is gone upstream."


class CreditsExhausted(UpstreamError):
    """The upstream token has no credits left."""

    code = "upstream_credits_exhausted"
    blame = "caller"
    fix = "Top up the NemoVideo account, then retry the job."


class ExportNotAllowed(UpstreamError):
    """The NemoVideo plan does not include this export; credits are not the cause."""

    code = "upstream_export_blocked"
    blame = "caller"
    fix = "Upgrade the NemoVideo plan, then retry the job; the timeline is kept and exporting is free."


class FileUnsupportedUpstream(UpstreamError):
    """NemoVideo does not accept this type of file."""

    code = "upstream_file_unsupported"
    blame = "caller"
    fix = "Send mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a or aac."


class FileTooLargeUpstream(UpstreamError):
    """NemoVideo says the file is too large."""

    code = "upstream_file_too_large"
    blame = "caller"
    fix = "Compress or trim the file."


class ClientIdMissing(UpstreamError):
    """NemoVideo did not get our client id."""

    code = "upstream_client_id_missing"
    blame = "gateway"


class UpstreamRequestInvalid(UpstreamError):
    """NemoVideo says our request is malformed."""

    code = "upstream_request_invalid"
    blame = "gateway"


class UpstreamProtocolError(UpstreamError):
    """NemoVideo's answer could not be understood."""

    code = "upstream_protocol_error"
    retryable = True


class UpstreamRefused(UpstreamError):
    """NemoVideo refused with a code that is not documented."""

    code = "upstream_refused"


class TurnFailed(UpstreamError):
    """The editing agent reported an error."""

    code = "upstream_turn_failed"


class TurnInterrupted(UpstreamError):
    """The editing stream broke off; what it did is being found out."""

    code = "upstream_turn_interrupted"


class OutcomeUnknown(UpstreamError):
    """The editing stream broke off and NemoVideo shows no change since; credits may have been spent."""

    code = "outcome_unknown"
    fix = "Look at the project before you submit again: the instruction may have been carried out and charged."


class NoTimeline(UpstreamError):
    """The editing agent ended without a timeline that can be exported."""

    code = "upstream_no_timeline"
    fix = "Say more exactly what to make; see the agent's words in the receipts."


class RenderIdTaken(UpstreamError):
    """NemoVideo already has a render of that id."""

    code = "upstream_render_id_taken"
    blame = "gateway"
    retryable = True


class RenderUnknown(UpstreamRequestInvalid):
    """NemoVideo knows no render of that id (yet)."""

    code = "upstream_render_unknown"
    retryable = True


class RenderFailed(UpstreamError):
    """NemoVideo could not render the timeline."""

    code = "upstream_render_failed"
    fix = "Retry the job; exporting is free."


class RenderTimedOut(UpstreamError):
    """The render did not finish in time."""

    code = "upstream_render_timeout"
    retryable = True
    fix = "Retry the job; exporting is free."


class ResultUnusable(UpstreamError):
    """The finished file is missing, cut short or not a video."""

    code = "upstream_result_unusable"
    retryable = True
    fix = "Retry the job; exporting is free."


# --- us -----------------------------------------------------------------------------------------------------------


class GatewayError(ReelqueueError):
    """Reelqueue could not do its part."""


class DependencyUnavailable(GatewayError):
    """A service that Reelqueue needs does not answer."""

    code = "service_unavailable"
    status = 503
    retryable = True
    fix = "Repeat the request after `Retry-After`."


class StorageFull(GatewayError):
    """There is no room left for files."""

    code = "storage_full"
    status = 507
    retryable = True
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
