"""Which session plays which scenario, and what that does to a call (`docs/scenarios.md`).

A session is bound to a scenario by the prefix of an instruction, from that turn on: its later calls, renders and
downloads meet the same rules. Rules that name their `session` need no prefix. Everything is forgotten by a reset and
by a restart: it belongs to a run, as armed faults do.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nemotwin.endpoints import render_in, session_in, session_in_body
from nemotwin.exchange import Exchange
from nemotwin.faults import Fault
from nemotwin.renders import Renders
from nemotwin.scenarios.prefix import split
from nemotwin.scenarios.reading import read
from nemotwin.scenarios.rules import EVERY_SESSION, Rule, Scenario
from nemotwin.sessions import Session


@dataclass(frozen=True, slots=True)
class Cue:
    """What strikes a call, and the scenario that says so."""

    name: str
    faults: Sequence[Fault]


@dataclass(slots=True)
class _Part:
    """What a session plays. `since` is how many turns it had begun before; `counts` are calls by rule."""

    name: str
    scenario: Scenario
    since: int
    counts: Counter[int] = field(default_factory=Counter)


class Stage:
    """All scenarios by name, those that were loaded before those that are always there, and who plays them."""

    def __init__(self, always: Mapping[str, Scenario]) -> None:
        """Know the scenarios that neither `clear` nor `reset` takes away."""
        self._always = dict(always)
        self._loaded: dict[str, Scenario] = {}
        self._parts: dict[str, _Part] = {}
        self._counts: Counter[tuple[str, int, str | None]] = Counter()

    @property
    def known(self) -> Mapping[str, Scenario]:
        """Every scenario that can be chosen."""
        return self._always | self._loaded

    def load(self, text: str) -> list[str]:
        """Add scenarios, each in place of one of its name; return the names. Raises `ScenarioError`, and adds none."""
        loaded = read(text)
        self._loaded |= loaded
        return list(loaded)

    def clear(self) -> int:
        """Take away what was loaded, and end every part; return how many scenarios went."""
        gone = len(self._loaded)
        self._loaded, self._parts, self._counts = {}, {}, Counter()
        return gone

    def view(self) -> dict[str, Any]:
        """Return it as the control routes show it."""
        return {
            "known": {name: {**one.view(), "loaded": name in self._loaded} for name, one in self.known.items()},
            "bound": {session_id: part.name for session_id, part in self._parts.items()},
        }

    async def cue(self, exchange: Exchange, renders: Renders) -> Cue | None:
        """Say what strikes this call. Every rule that fits counts it; the first whose turn it is strikes.

        An instruction with the prefix binds its session first. Where nobody knows its scenario the turn will say so.
        """
        call = exchange.entry.endpoint
        standing = list(self._standing())
        if call != "run_sse" and not (standing or self._parts):
            return None
        session = await self._session(exchange, renders)
        if call == "run_sse" and session is not None:
            self._bind(session, exchange, await exchange.body())
        began = None if session is None else session.turns + (call == "run_sse")
        session_id = None if session is None else session.session_id
        chosen: Cue | None = None
        for name, number, rule in standing:
            if rule.session in (EVERY_SESSION, session_id) and rule.fits(call, began):
                chosen = _counted(chosen, self._counts, (name, number, session_id), name, rule)
        part = self._parts.get(session_id or "")
        for number, rule in enumerate(part.scenario.rules) if part else ():
            if part and began is not None and rule.session is None and rule.fits(call, began - part.since):
                chosen = _counted(chosen, part.counts, number, part.name, rule)
        return chosen

    def _standing(self) -> Iterator[tuple[str, int, Rule]]:
        for name, scenario in self.known.items():
            for number, rule in enumerate(scenario.rules):
                if rule.session is not None:
                    yield name, number, rule

    def _bind(self, session: Session, exchange: Exchange, body: bytes) -> None:
        """Have the session play what its instruction says. The same turn sent again begins nothing anew."""
        name, _ = split(_message(body))
        if name is None:
            return
        if name not in self.known:
            words = (
                f"There is no scenario named {name or 'so'}. Those that can be chosen: {', '.join(sorted(self.known))}."
            )
            exchange.turn = replace(exchange.turn, talks=words)
            return
        part = self._parts.get(session.session_id)
        if part is None or (part.name, part.since) != (name, session.turns):
            self._parts[session.session_id] = _Part(name, self.known[name], session.turns)

    @staticmethod
    async def _session(exchange: Exchange, renders: Renders) -> Session | None:
        """Return the session that a call is about: its path, its body or its render names it."""
        path = exchange.scope["path"]
        named = session_in(path)
        if named is None and exchange.entry.endpoint in {"run_sse", "render_submit", "claim_token"}:
            named = session_in_body(await exchange.body())
        elif named is None and (render := renders.by_id.get(render_in(path) or "")):
            named = render.session_id
        return exchange.sessions.by_id.get(named or "")


def _counted(chosen: Cue | None, counts: Counter[Any], key: object, name: str, rule: Rule) -> Cue | None:
    counts[key] += 1
    due = rule.nth is None or counts[key] in rule.nth
    return Cue(name, rule.faults) if due and chosen is None else chosen


def _message(body: bytes) -> str:
    """Return the text of a message to the agent, in either spelling; empty for what is none."""
    try:
        sent = json.loads(body)
        message = sent.get("newMessage") or sent["new_message"]
        return "\n".join(part.get("text", "") for part in message["parts"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
