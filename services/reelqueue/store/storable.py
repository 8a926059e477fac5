"""JSON that PostgreSQL takes. It refuses NUL and lone surrogates in any text, and upstreams send what they like."""

from __future__ import annotations

import json
import re
from typing import Final

_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The escape of NUL, and not an escaped backslash before the letters `u0000`."""


def dumps(value: object) -> str:
    """The value as JSON text. Each NUL becomes U+FFFD and each lone surrogate `?`, so that no text blocks a write.

    Raises `ValueError` for NaN and the infinities: a number that is none is a bug of ours.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if "\\u0000" in text:
        text = _NUL.sub(r"\1\\ufffd", text)
    return text.encode("utf-8", "replace").decode()
