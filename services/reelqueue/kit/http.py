"""The one place that imports httpx.

Its API-compatible successor may replace it one day; then this is the file that changes. Only the packages that talk
to others (`nemo`, `egress`, `webhooks`, `cli`) import from here.
"""

from __future__ import annotations

import httpcore
import httpx

__all__ = ["httpcore", "httpx"]
