"""The faults that are armed, and which of them strikes next.

A fault is a small frozen dataclass: its fields are its parameters, each with a default, and `strike` does to an
exchange whatever is wrong with it. `nemotwin.mishaps` names them all in one table: a new fault is one class and one
row there.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from nemotwin.endpoints import NAMES, Name
from nemotwin.exchange import SCOPE_KEY, Exchange

ANY = "*"


class Fault(Protocol):
    """One way to go wrong."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    async def strike(self, exchange: Exchange) -> None:
        """Go wrong: answer, let the twin answer, or cut the connection."""


@dataclass(frozen=True)
class Mishap:
    """A fault that can be armed by `name`.

    `says` is what happens, in the words of `contract`, the paragraph that asks for it. It makes sense at `endpoints`
    only; `preset` are the fields of `kind` that the name decides.
    """

    name: str
    says: str
    kind: type[Fault]
    endpoints: tuple[Name, ...]
    contract: str = "§15.2"
    preset: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What can be chosen when it is armed, with the defaults."""
        return {found.name: found.default for found in dataclasses.fields(self.kind) if found.name not in self.preset}

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of each parameter by name."""
        properties = TypeAdapter(self.kind).json_schema().get("properties", {})
        return {name: properties[name] for name in self.parameters}

    def make(self, params: Mapping[str, Any]) -> Fault:
        """Return the fault with these parameters.

        Raises `UnknownFaultError` for one that it does not have, `pydantic.ValidationError` for a bad value.
        """
        if unknown := sorted(set(params) - set(self.parameters)):
            raise UnknownFaultError(f"{self.name} has no parameter {', '.join(unknown)}")
        return TypeAdapter(self.kind).validate_python({**params, **self.preset})


FaultTable = Mapping[str, Mishap]
"""All faults by name."""


class UnknownFaultError(ValueError):
    """There is no such fault, endpoint or parameter; the message names what there is."""


@dataclass(slots=True)
class Armed:
    """A fault lying in wait: it lets `after` calls of its endpoints pass, then strikes `count` times (`None`: ever).

    It may be several faults that strike as one, the first outermost.
    """

    fault_id: str
    endpoint: str
    endpoints: frozenset[str]
    name: str
    faults: Sequence[Any]
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
            "params": asdict(self.faults[0]),
            "also": [asdict(fault) for fault in self.faults[1:]],
        }


class Faults:
    """The armed faults, in the order they were armed."""

    def __init__(self, table: FaultTable) -> None:
        """Know the faults of `table`; arm none."""
        self._table = table
        self._numbers = itertools.count(1)
        self.armed: list[Armed] = []

    def arm(
        self,
        name: str,
        endpoint: str,
        *,
        count: int | None,
        after: int,
        params: Mapping[str, Any],
        also: Iterable[tuple[str, Mapping[str, Any]]] = (),
    ) -> Armed:
        """Arm a fault, together with those it shall strike with.

        Raises `UnknownFaultError` for a name, an endpoint or a parameter that does not exist or does not go with the
        fault, and `pydantic.ValidationError` for a parameter's bad value.
        """
        if endpoint not in (ANY, *NAMES):
            raise UnknownFaultError(f"endpoint: one of {', '.join((ANY, *NAMES))}")
        chosen = [(self._known(known), given) for known, given in ((name, params), *also)]
        endpoints = frozenset.intersection(*(frozenset(mishap.endpoints) for mishap, _ in chosen))
        if not endpoints or (endpoint != ANY and endpoint not in endpoints):
            raise UnknownFaultError(f"{name} makes sense at {', '.join(sorted(endpoints)) or 'no endpoint'}")
        armed = Armed(
            fault_id=f"flt_{next(self._numbers)}",
            endpoint=endpoint,
            endpoints=endpoints if endpoint == ANY else frozenset((endpoint,)),
            name="+".join(mishap.name for mishap, _ in chosen),
            faults=[mishap.make(given) for mishap, given in chosen],
            count=count,
            after=after,
        )
        self.armed.append(armed)
        return armed

    def take(self, endpoint: str | None) -> Armed | None:
        """Return the fault that strikes this call, if any. Every fault counts the call; one strikes."""
        chosen: Armed | None = None
        for armed in self.armed:
            if endpoint not in armed.endpoints or (armed.count is not None and armed.struck >= armed.count):
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

    def _known(self, name: str) -> Mishap:
        if name not in self._table:
            raise UnknownFaultError(f"fault: one of {', '.join(self._table)}")
        return self._table[name]


async def strike(faults: Sequence[Fault], exchange: Exchange) -> None:
    """Strike with the first; where it lets the twin answer, the others stand in for the twin. None: it answers."""
    if not faults:
        await exchange.proceed()
        return
    first, *others = faults
    if others:
        app = exchange.app

        async def rest(scope: Scope, receive: Receive, send: Send) -> None:
            inner = dataclasses.replace(exchange, app=app, scope=scope, receive=receive, send=send)
            scope[SCOPE_KEY] = inner
            await strike(others, inner)

        exchange.app = rest
    await first.strike(exchange)
