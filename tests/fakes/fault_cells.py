"""Which fault strikes which call: one cell each, over everything that the twin knows and the engine calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from nemotwin.mishaps import CATALOG


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that the engine makes, and what has to be the case for it to make it."""

    endpoint: str
    passing: int = 0
    """How many calls of the same kind go well before."""
    also: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    """Other faults without which it would not be made: endpoint, name, parameters."""
    anonymous: bool = False
    """The tenant brings no token of its own."""
    cancels: bool = False
    """The owner cancels while the export runs."""


_NO_URL: Final = ("render_submit", "completed_without_url", {"polls": 1000})

CALLS: Final[Mapping[str, Call]] = MappingProxyType(
    {
        "anonymous_token": Call(endpoint="anonymous_token", anonymous=True),
        "anonymous_token, again": Call(
            endpoint="anonymous_token", passing=1, anonymous=True, also=(("run_sse", "token_expires", {}),)
        ),
        "create_session": Call(endpoint="create_session"),
        "upload": Call(endpoint="upload"),
        "state, before the upload": Call(endpoint="state"),
        "credits, before the turn": Call(endpoint="credits"),
        "state, before the turn": Call(endpoint="state", passing=1),
        "run_sse": Call(endpoint="run_sse"),
        "state, during the turn": Call(endpoint="state", passing=3),
        "credits, after the turn": Call(endpoint="credits", passing=3),
        "state, after the turn": Call(endpoint="state", passing=4),
        "state, for the export": Call(endpoint="state", passing=5),
        "render_submit": Call(endpoint="render_submit"),
        "render_status": Call(endpoint="render_status"),
        "render_status, at the end": Call(endpoint="render_status", passing=1),
        "render_download": Call(endpoint="render_download", also=(_NO_URL,)),
        "render_cancel": Call(endpoint="render_cancel", cancels=True),
        "cdn": Call(endpoint="cdn"),
    }
)
"""By the name of the endpoint and, where the engine makes the call at several places, of the place.

`SEQUENCE` shows which of several calls is meant. `claim_token` is never called.
"""

SEQUENCE: Final = (
    "create_session",
    *("state", "upload"),
    *("credits", "state", "run_sse"),
    # The agent's generator says that it has begun, then that its clip is there.
    *("credits", "state", "credits", "state"),
    *("credits", "state"),
    *("state", "render_submit"),
    *("render_status",) * 2,
    "cdn",
)
"""What the upstream hears of a job that nothing happens to."""

_BRIEF: Final = 5e-8
"""Fifty milliseconds on the real clock, which is the one that a closed door goes by (`fakes.twin_time.STILL`)."""
_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {"refused": {"seconds": _BRIEF}}
_VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "429_retry_after": ("429", {"retry_after": "7"}),
}
"""Faults of the catalog under other parameters, where the contract names both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault at one call."""

    fault: str
    call: str
    armed: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.fault} at {self.call}"


def cells() -> list[Cell]:
    """All of them, call by call."""
    return list(_cells())


def _cells() -> Iterator[Cell]:
    faults = {name: (name, _PARAMETERS.get(name, {})) for name in CATALOG} | _VARIANTS
    for call, what in CALLS.items():
        for fault, (armed, parameters) in faults.items():
            if what.endpoint in CATALOG[armed].endpoints:
                yield Cell(fault=fault, call=call, armed=armed, parameters=parameters)
