"""NemoVideo refused or broke; the class says which."""

from __future__ import annotations

from typing import ClassVar

from reelqueue.errors.root import Blame, ReelqueueError


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
    tried_again = True


class UpstreamUnavailable(UpstreamError):
    """NemoVideo did not answer properly."""

    code = "upstream_unavailable"
    retryable = True
    tried_again = True


class RateLimited(UpstreamError):
    """NemoVideo asked us to slow down."""

    code = "upstream_rate_limited"
    retryable = True


class UpstreamThrottled(RateLimited):
    """The upstream token's rate is used up for the moment; nothing was sent."""

    code = "upstream_throttled"


class TokenCooling(UpstreamThrottled):
    """The upstream token is left alone for a while, as NemoVideo asked; nothing was sent."""

    code = "upstream_token_cooling"


class TokenBlocked(UpstreamThrottled):
    """The upstream token is blocked; nothing was sent."""

    code = "upstream_token_blocked"


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
    scope: str | None = None
    """What the call needs, where NemoVideo itself said no. `None`: that is not known to be about the token."""


class SessionNotFound(UpstreamError):
    """NemoVideo no longer knows the project's session."""

    code = "upstream_session_lost"
    retryable = True
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
    fix = "Tell us the job's id."


class UpstreamRequestInvalid(UpstreamError):
    """NemoVideo says our request is malformed."""

    code = "upstream_request_invalid"
    blame = "gateway"
    fix = "Tell us the job's id."


class UpstreamProtocolError(UpstreamError):
    """NemoVideo's answer could not be understood."""

    code = "upstream_protocol_error"
    retryable = True
    tried_again = True


class UpstreamRefused(UpstreamError):
    """NemoVideo refused with a code that is not documented."""

    code = "upstream_refused"
    retryable = True


class TurnFailed(UpstreamError):
    """The editing agent reported an error."""

    code = "upstream_turn_failed"
    retryable = True


class TurnInterrupted(UpstreamError):
    """The editing stream broke off; what it did is being found out."""

    code = "upstream_turn_interrupted"
    fix = "Wait: the job goes on by itself when it is known what the turn did."


class OutcomeUnknown(UpstreamError):
    """The editing stream broke off and NemoVideo shows no change since; credits may have been spent."""

    code = "outcome_unknown"
    fix = "Look at the project before you submit again: the instruction may have been carried out and charged."


class NoTimeline(UpstreamError):
    """The editing agent ended without a timeline that can be exported."""

    code = "upstream_no_timeline"
    fix = "Say more exactly what to make; see the agent's words in the receipts."


class QuestionUnanswered(UpstreamError):
    """The agent asked something and nobody answered in time."""

    code = "question_unanswered"
    blame = "caller"
    fix = "Retry the job and answer its question, or send `on_question` with an answer."


class QuestionAsked(UpstreamError):
    """The agent asked something instead of editing, and the job was sent with `on_question: fail`."""

    code = "question_asked"
    blame = "caller"
    fix = "Say more exactly what to make; the question is in the last receipt."


class RenderIdTaken(UpstreamError):
    """NemoVideo already has a render of that id."""

    code = "upstream_render_id_taken"
    blame = "gateway"
    retryable = True
    tried_again = True


class RenderUnknown(UpstreamError):
    """NemoVideo knows no render of that id (yet)."""

    code = "upstream_render_unknown"
    retryable = True
    tried_again = True
    fix = "Retry the job; exporting is free."


class RenderFailed(UpstreamError):
    """NemoVideo could not render the timeline."""

    code = "upstream_render_failed"
    retryable = True
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
    tried_again = True
    fix = "Retry the job; exporting is free."
