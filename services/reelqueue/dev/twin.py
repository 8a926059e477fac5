"""Talking to the twin's control routes, as far as the development stack needs them."""

from __future__ import annotations

import json
import urllib.request
from typing import Final

CREDITS: Final = 1_000_000


def mint_token(twin_url: str) -> str:
    """A registered token with plenty of credits, on a plan that may export."""
    request = urllib.request.Request(  # noqa: S310 - our own loopback URL
        f"{twin_url}/_twin/tokens",
        data=json.dumps({"credits": CREDITS, "plan": "paid"}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
        body = json.load(response)
    token: str = body["token"]
    return token
