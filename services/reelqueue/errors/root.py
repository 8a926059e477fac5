"""What every error of ours has: a code, a status, a blame, a word on what to do."""

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
    """For the caller: a new attempt of theirs may succeed though they changed nothing. Public."""
    tried_again: ClassVar[bool] = False
    """For ourselves: a step that ended so is run again, as long as it has attempts left. Nobody else's business."""
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
