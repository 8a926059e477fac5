"""The control routes of nemotwin, as a test uses them: everything that is changed is put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from fixtures.eventually import wait_until

SMALL_FILMS = {"film_max_side": 128, "film_fps": 6}
"""Films cost most of the processor's time, and few tests look at one."""


class Twin:
    """One running nemotwin."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    # --- what it shall do ---

    def set(self, **settings: Any) -> None:
        """Change settings for good."""
        self._json("POST", "/_twin/settings", json=settings)

    @contextmanager
    def settings(self, **settings: Any) -> Iterator[None]:
        """Change settings for the length of the block."""
        before = self._json("GET", "/_twin/settings")
        self.set(**settings)
        try:
            yield
        finally:
            self.set(**{name: before[name] for name in settings})

    @contextmanager
    def fault(
        self, endpoint: str, fault: str | int, *, count: int | None = 1, after: int = 0, **parameters: Any
    ) -> Iterator[str]:
        """Arm a fault for the length of the block; gives its id."""
        body = {"endpoint": endpoint, "fault": str(fault), "count": count, "after": after, **parameters}
        armed = self._json("POST", "/_twin/faults", json=body)
        try:
            yield armed["id"]
        finally:
            self._json("DELETE", "/_twin/faults", params={"id": armed["id"]})

    def struck(self, fault_id: str) -> int:
        """How often an armed fault has struck."""
        armed = self._json("GET", "/_twin/faults")["armed"]
        return next(int(one["struck"]) for one in armed if one["id"] == fault_id)

    def disarm(self) -> int:
        return int(self._json("DELETE", "/_twin/faults")["disarmed"])

    def advance(self, seconds: float) -> None:
        """Let virtual time jump."""
        self._json("POST", "/_twin/clock", json={"advance": seconds})

    def finish_turns(self, marker: str) -> None:
        """Let virtual time jump until every turn of a marker has ended."""

        def ended() -> bool:
            self.advance(3_600)
            return all(turn["outcome"] != "running" for turn in self.turns(marker))

        wait_until(ended, 20, interval=0.1)

    # --- accounts ---

    def issue_token(self, **wishes: Any) -> dict[str, Any]:
        return self._json("POST", "/_twin/tokens", json=wishes)

    def expire(self, token: str) -> None:
        self._json("POST", "/_twin/tokens/expire", json={"token": token})

    def state_of(self, session_id: str, token: str) -> dict[str, Any]:
        """A session's state, read as its owner would."""
        path = f"/api/state/nemo_agent/me/{session_id}/latest"
        answer = self._json("GET", path, headers={"Authorization": f"Bearer {token}"})
        state: dict[str, Any] = answer["data"]["state"]
        return state

    # --- what it saw ---

    def ledger(self, *kinds: str) -> dict[str, list[dict[str, Any]]]:
        """The named lists of the ledger."""
        return self._json("GET", "/_twin/ledger", params={"only": ",".join(kinds)})

    def turns(self, marker: str) -> list[dict[str, Any]]:
        """Every turn whose message has this text in it."""
        return [turn for turn in self.ledger("turns")["turns"] if marker in turn["message"]]

    def seen(self, marker: str, *kinds: str) -> dict[str, list[dict[str, Any]]]:
        """What happened in the sessions of a marker's turns; `turns` are there always."""
        book = self.ledger("turns", *kinds)
        sessions = {turn["session_id"] for turn in book["turns"] if marker in turn["message"]}
        return {kind: [line for line in lines if line["session_id"] in sessions] for kind, lines in book.items()}

    def requests(self, fingerprint: str, endpoint: str | None = None) -> list[dict[str, Any]]:
        """The requests that came with one token."""
        return [
            line
            for line in self.ledger("requests")["requests"]
            if line["token"] == fingerprint and endpoint in (None, line["endpoint"])
        ]

    def _json(self, method: str, path: str, **how: Any) -> Any:
        answer = self._http.request(method, path, **how)
        answer.raise_for_status()
        return answer.json()
