"""What a caller can see of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reelqueue.errors import ReelqueueError


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """Everything about the error that could reach a caller: two refusals that are equal cannot be told apart."""
    with pytest.raises(ReelqueueError) as caught:
        call()
    error = caught.value
    return {"class": type(error), "args": error.args, "notes": getattr(error, "__notes__", None), **vars(error)}
