"""The request, or what it points at, is wrong."""

from __future__ import annotations

from typing import ClassVar

from reelqueue.errors.root import Blame, ReelqueueError


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


class TenantSuspended(CallerError):
    """The tenant of this API key is suspended."""

    code = "tenant_suspended"
    status = 403
    fix = "Ask the operator of the service. Jobs, files and keys are as they were."


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


class TokenRefused(ValidationFailed):
    """NemoVideo does not accept this token; nothing was kept of it."""

    code = "token_refused"
    fix = "Copy the token again, or make a new one in NemoVideo's settings."


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
    fix = "Send mp4, mov, avi, webm, mkv, jpg, png, gif, webp, heic, avif, tiff, bmp, mp3, wav, m4a or aac."


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


class ImageUnreadable(FileRefused):
    """The picture cannot be decoded."""

    code = "image_unreadable"
    fix = "Open it in a program that shows it, and save it as PNG or JPEG."


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
    """This address does not exist, or may not be called from here."""

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
    """What the request is about is not in a state in which that is possible."""

    code = "state_conflict"
    status = 409
    fix = "Read the resource to see where it stands."


class HeaderNotAllowed(CallerError):
    """The header is not the tenant's to set on its webhooks, or cannot be sent as it is."""

    code = "header_not_allowed"
    status = 422
    fix = "See the headers of endpoints in the webhooks guide."


class TooManySecrets(CallerError):
    """As many replaced secrets as may sign beside the new one do so already; nothing was replaced."""

    code = "too_many_secrets"
    status = 409
    fix = "Wait until one of them has expired, or replace them all at once with `keep_old_s: 0`."


class TooManyEndpoints(CallerError):
    """The tenant has as many webhook endpoints as it may have."""

    code = "too_many_endpoints"
    status = 409
    fix = "Delete one, or let one endpoint serve several: filter by what it gets."


class EndpointNotListening(CallerError):
    """The webhook endpoint is disabled or deleted: nothing is sent to it."""

    code = "endpoint_not_listening"
    status = 409
    fix = "Enable the endpoint first. One that was deleted stays so: add it again, and replay to the new one."


class ReplayTooLarge(CallerError):
    """That is more than one replay may send again."""

    code = "replay_too_large"
    status = 422
    fix = "See `most`. Replay a shorter span, or fewer types; or read the missing events from `GET /v1/events`."


class QuotaExceeded(CallerError):
    """A quota is used up."""

    code = "quota_exceeded"
    status = 429
    retryable = True
    fix = "See `quota`. Repeat the request after `Retry-After`; without one, time alone does not make room."


class BudgetExhausted(CallerError):
    """A credit budget of your own has run out."""

    code = "budget_exhausted"
    status = 402
    fix = "See `level`: wait until `resets_at`, cancel jobs that wait, or ask the operator for a larger budget."


class FeedPositionExpired(CallerError):
    """Events that follow this position are no longer kept."""

    code = "feed_position_expired"
    status = 410
    fix = "Read on from `oldest`, with `after` one below it, and look at your jobs for what was missed."


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
