"""The faults that are armed, and which of them strikes next.

A fault is a small frozen dataclass: its fields are its parameters, and `strike` does to an exchange whatever is wrong
with it. `nemotwin.mishaps` holds them all, in one table by name: a new fault is one class and one line there.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from nemotwin.endpoints import NAMES
from nemotwin.exchange import Exchange

ANY = "*"


class Fault(Protocol):
    """One way to go wrong."""

    async def strike(self, exchange: Exchange) -> None:
        """Go wrong: answer, let the twin answer, or cut the connection."""


FaultTable = Mapping[str, tuple[type[Fault], Mapping[str, Any]]]
"""Fault class and preset parameters by name."""


class UnknownFaultError(ValueError):
    """There is no such fault, endpoint or parameter; the message names what there is."""


@dataclass(slots=True)
class Armed:
    """A fault lying in wait: it lets `after` calls of its endpoint pass, then strikes `count` times (`None`: ever)."""

    fault_id: str
    endpoint: str
    name: str
    fault: Any
    count: int | None
    after: int
    struck: int = 0

    def view(self) -> dict[str, Any]:
        """Return it as the control routes show it."""
        return {
            "id": self.fault_id,
            "endpoint": self.endpoint,
            "fault": self.name,
            "count": self.count,
            "after": self.after,
            "struck": self.struck,
            "params": asdict(self.fault),
        }


class Faults:
    """The armed faults, in the order they were armed."""

    def __init__(self, table: FaultTable) -> None:
        """Know the faults of `table`; arm none."""
        self._table = table
        self._numbers = itertools.count(1)
        self.armed: list[Armed] = []

    def arm(self, name: str, endpoint: str, *, count: int | None, after: int, params: Mapping[str, Any]) -> Armed:
        """Arm a fault. Raises `UnknownFaultError`, or `pydantic.ValidationError` for a parameter's bad value."""
        if endpoint not in (ANY, *NAMES):
            raise UnknownFaultError(f"endpoint: one of {', '.join((ANY, *NAMES))}")
        if name not in self._table:
            raise UnknownFaultError(f"fault: one of {', '.join(self._table)}")
        kind, preset = self._table[name]
        fields = getattr(kind, "__dataclass_fields__", {})
        if unknown := sorted(set(params) - (set(fields) - set(preset))):
            raise UnknownFaultError(f"{name} has no parameter {', '.join(unknown)}")
        fault = TypeAdapter(kind).validate_python({**params, **preset})
        armed = Armed(f"flt_{next(self._numbers)}", endpoint, name, fault, count, after)
        self.armed.append(armed)
        return armed

    def take(self, endpoint: str | None) -> Armed | None:
        """Return the fault that strikes this call, if any. Every fault counts the call; one strikes."""
        chosen: Armed | None = None
        for armed in self.armed:
            if armed.endpoint not in (ANY, endpoint) or (armed.count is not None and armed.struck >= armed.count):
                continue
            if armed.after > 0:
                armed.after -= 1
            elif chosen is None:
                armed.struck += 1
                chosen = armed
        return chosen

    def disarm(self, fault_id: str | None = None) -> int:
        """Take one fault away, or all; return how many."""
        kept = [armed for armed in self.armed if fault_id is not None and armed.fault_id != fault_id]
        gone = len(self.armed) - len(kept)
        self.armed = kept
        return gone
