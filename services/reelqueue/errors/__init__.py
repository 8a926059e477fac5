"""Every error Reelqueue raises on purpose, and whose fault it is.

    ReelqueueError
    ├── CallerError                  the request, or what it points at, is wrong
    │   ├── AuthenticationRequired     401  no key, or not one of ours
    │   ├── ScopeMissing               403  the key may not do this
    │   ├── TenantSuspended            403  nor may any other of its tenant
    │   ├── NotFound                   404  no such thing for this tenant
    │   ├── MethodNotAllowed           405
    │   ├── JsonInvalid                400  not JSON
    │   │   └── JsonDuplicateKey         400  one member twice
    │   ├── ValidationFailed           422  JSON, but not what we ask for
    │   │   └── TokenRefused             422  NemoVideo does not accept the upstream token
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
    │   │   ├── FileEmpty, FileContentMismatch, ImageUnreadable, ImageTooManyPixels, ImageTooManyFrames
    │   ├── FileTooLarge               413
    │   ├── UrlInvalid                 422  malformed, or of a kind that is not called
    │   ├── DestinationNotAllowed      422  egress rule: a place we never call
    │   ├── SourceUnreachable          422  an input URL that does not answer
    │   ├── StateConflict              409  the resource is not in a state for that
    │   ├── HeaderNotAllowed           422  one of its webhooks' own headers
    │   ├── TooManyEndpoints           409
    │   ├── TooManySecrets             409
    │   ├── EndpointNotListening       409  its endpoint is disabled or deleted
    │   ├── ReplayTooLarge             422  too many events at once
    │   ├── QuotaExceeded              429  a quota of the tenant's, or the key's rate
    │   ├── BudgetExhausted            402  a budget of the tenant's; not NemoVideo's balance (CreditsExhausted)
    │   ├── FeedPositionExpired        410
    │   ├── ResultGone                 410
    │   └── RangeNotSatisfiable        416
    ├── UpstreamError                NemoVideo refused or broke; the class says which
    │   ├── NotSent                      no request byte left us: safe to repeat
    │   ├── UpstreamUnavailable          408, 425, 5xx, transport: repeat reads only
    │   ├── RateLimited                  429
    │   │   └── UpstreamThrottled          ours, before anything is sent: the token's rate is used up
    │   │       ├── TokenCooling             it cools, and is left alone
    │   │       └── TokenBlocked             somebody blocked it
    │   ├── TokenRejected                1001, 1010, 1011, 401
    │   ├── UpstreamForbidden            403
    │   ├── SessionNotFound              1002, 404 where a session is named
    │   ├── CreditsExhausted             2001
    │   ├── ExportNotAllowed             402
    │   ├── FileUnsupportedUpstream      4001, 415 on an upload
    │   ├── FileTooLargeUpstream         4002, 413 on an upload
    │   ├── ClientIdMissing              400 on the anonymous-token call
    │   ├── UpstreamRequestInvalid       400, 404, 405, 409, 413, 415, 422, any other 4xx: our request was wrong
    │   ├── UpstreamProtocolError        an answer nobody can read
    │   ├── UpstreamRefused              a code nobody has documented
    │   ├── TurnFailed                   the agent reported an error
    │   ├── TurnInterrupted              408, 425, 5xx, any other 4xx on a turn, a broken stream: the outcome is open
    │   ├── OutcomeUnknown               the recovery recipe ended without an answer
    │   ├── NoTimeline                   the agent built nothing that can be exported
    │   ├── QuestionUnanswered           the agent asked and nobody answered in time
    │   ├── QuestionAsked                it asked, and the job may not wait
    │   ├── RenderIdTaken                409 on a submit: our render id exists already
    │   ├── RenderUnknown                404 where a render is named: none of our id, or not yet
    │   ├── RenderFailed
    │   ├── RenderTimedOut
    │   └── ResultUnusable               the finished file is missing, cut or no video
    └── GatewayError                 ours
        ├── DependencyUnavailable      503  the database does not answer
        ├── RepairsUnavailable         503  too many pictures to repair at once
        ├── StorageFull                507
        ├── DeadlineExceeded                finish_by passed between two turns
        ├── DeadlineUnreachable             start_by or finish_by cannot be met; nothing spent
        ├── NoUpstreamToken                 no usable token for this tenant
        ├── Poisoned                        three claims ended without progress
        └── InternalError              500  a bug

Which number, status or frame of NemoVideo's leads where is in one table, `nemo/error_table.py`; the numbers here are
held to it by a test.

A class carries what never changes: `code` (stable, public), `status` (HTTP, where a request can meet it), `blame`,
`retryable` (whether a new attempt by the caller may succeed), `tried_again` (whether we make one by ourselves) and
`fix` (what the reader can do). Its docstring is the default message. An instance carries what happened. Mistakes of
ours that no caller can act on stay outside the tree as ordinary exceptions, so that catching `ReelqueueError` never
hides one.
"""

from __future__ import annotations

from reelqueue.errors.caller import (
    AuthenticationRequired,
    BodyTooLarge,
    BudgetExhausted,
    CallerError,
    CursorInvalid,
    DestinationNotAllowed,
    EndpointNotListening,
    FeedPositionExpired,
    FileContentMismatch,
    FileEmpty,
    FileRefused,
    FileTooLarge,
    FileTypeNotAllowed,
    HeaderNotAllowed,
    IdempotencyKeyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    ImageTooManyFrames,
    ImageTooManyPixels,
    ImageUnreadable,
    JsonDuplicateKey,
    JsonInvalid,
    MediaTypeNotSupported,
    MethodNotAllowed,
    MultipartInvalid,
    NotFound,
    QuotaExceeded,
    RangeNotSatisfiable,
    ReplayTooLarge,
    RequestTimedOut,
    ResultGone,
    ScopeMissing,
    SourceUnreachable,
    StateConflict,
    TenantSuspended,
    TokenRefused,
    TooManyEndpoints,
    TooManySecrets,
    UrlInvalid,
    ValidationFailed,
)
from reelqueue.errors.catalog import class_of_code, every_class
from reelqueue.errors.gateway import (
    DeadlineExceeded,
    DeadlineUnreachable,
    DependencyUnavailable,
    GatewayError,
    InternalError,
    NoUpstreamToken,
    Poisoned,
    RepairsUnavailable,
    StorageFull,
)
from reelqueue.errors.root import (
    Blame,
    ReelqueueError,
)
from reelqueue.errors.upstream import (
    ClientIdMissing,
    CreditsExhausted,
    ExportNotAllowed,
    FileTooLargeUpstream,
    FileUnsupportedUpstream,
    NoTimeline,
    NotSent,
    OutcomeUnknown,
    QuestionAsked,
    QuestionUnanswered,
    RateLimited,
    RenderFailed,
    RenderIdTaken,
    RenderTimedOut,
    RenderUnknown,
    ResultUnusable,
    SessionNotFound,
    TokenBlocked,
    TokenCooling,
    TokenRejected,
    TurnFailed,
    TurnInterrupted,
    UpstreamError,
    UpstreamForbidden,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamRequestInvalid,
    UpstreamThrottled,
    UpstreamUnavailable,
)

__all__ = [
    "AuthenticationRequired",
    "Blame",
    "BodyTooLarge",
    "BudgetExhausted",
    "CallerError",
    "ClientIdMissing",
    "CreditsExhausted",
    "CursorInvalid",
    "DeadlineExceeded",
    "DeadlineUnreachable",
    "DependencyUnavailable",
    "DestinationNotAllowed",
    "EndpointNotListening",
    "ExportNotAllowed",
    "FeedPositionExpired",
    "FileContentMismatch",
    "FileEmpty",
    "FileRefused",
    "FileTooLarge",
    "FileTooLargeUpstream",
    "FileTypeNotAllowed",
    "FileUnsupportedUpstream",
    "GatewayError",
    "HeaderNotAllowed",
    "IdempotencyKeyInProgress",
    "IdempotencyKeyInvalid",
    "IdempotencyKeyReused",
    "ImageTooManyFrames",
    "ImageTooManyPixels",
    "ImageUnreadable",
    "InternalError",
    "JsonDuplicateKey",
    "JsonInvalid",
    "MediaTypeNotSupported",
    "MethodNotAllowed",
    "MultipartInvalid",
    "NoTimeline",
    "NoUpstreamToken",
    "NotFound",
    "NotSent",
    "OutcomeUnknown",
    "Poisoned",
    "QuestionAsked",
    "QuestionUnanswered",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "RateLimited",
    "ReelqueueError",
    "RenderFailed",
    "RenderIdTaken",
    "RenderTimedOut",
    "RenderUnknown",
    "RepairsUnavailable",
    "ReplayTooLarge",
    "RequestTimedOut",
    "ResultGone",
    "ResultUnusable",
    "ScopeMissing",
    "SessionNotFound",
    "SourceUnreachable",
    "StateConflict",
    "StorageFull",
    "TenantSuspended",
    "TokenBlocked",
    "TokenCooling",
    "TokenRefused",
    "TokenRejected",
    "TooManyEndpoints",
    "TooManySecrets",
    "TurnFailed",
    "TurnInterrupted",
    "UpstreamError",
    "UpstreamForbidden",
    "UpstreamProtocolError",
    "UpstreamRefused",
    "UpstreamRequestInvalid",
    "UpstreamThrottled",
    "UpstreamUnavailable",
    "UrlInvalid",
    "ValidationFailed",
    "class_of_code",
    "every_class",
]
