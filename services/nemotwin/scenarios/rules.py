"""Rules: at which call of a session what happens. The fields are the keys of the language (`docs/scenarios.md`)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from nemotwin.endpoints import OF_A_SESSION, Name
from nemotwin.faults import Fault
from nemotwin.mishaps import CATALOG
from nemotwin.mishaps.connections import Drop, Work
from nemotwin.scenarios import values
from nemotwin.scenarios.performing import CreditsLeft, Performance

EVERY_SESSION: Final = "*"
_OF_TURNS: Final = ("say", "ask", "heartbeats", "lasts", "finish")
_WHAT: Final = (*_OF_TURNS, "drop_after", "credits", "fault")
_FATES: Final[dict[bool | str, Work]] = {True: "continuing", False: "canceled", "half": "partial"}

Count: TypeAlias = Annotated[int, Field(ge=0)]
Words: TypeAlias = Annotated[str, Field(min_length=1)]
Duration: TypeAlias = Annotated[float, BeforeValidator(values.seconds)]


class Rule(BaseModel):
    """One rule. It takes a call that fits all of `call`, `turn`, `nth` and `session`; what is not named fits any.

    `turn` counts from 1 at the turn that chose the scenario: a stream belongs to the turn it is to begin, every other
    call to the last one that began. `nth` counts the calls of a session that fit the rest.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    call: Name = "run_sse"
    turn: Annotated[int, Field(ge=1)] | None = None
    nth: Annotated[values.Calls, PlainValidator(values.calls)] | None = None
    session: Annotated[str, BeforeValidator(values.session_id)] | None = None

    say: Words | None = None
    ask: Words | None = None
    heartbeats: Duration | None = None
    lasts: Duration | None = None
    drop_after: Count | None = None
    finish: Annotated[bool | Literal["half"], PlainValidator(values.finish)] | None = None
    credits: Count | None = None
    fault: Annotated[tuple[values.Named, ...], PlainValidator(values.named_faults)] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) not in (None, ())}
        if not given & set(_WHAT):
            raise ValueError(f"nothing happens: one of {', '.join(_WHAT)} is needed")
        if self.call != "run_sse" and (odd := sorted(given & set(_OF_TURNS))):
            raise ValueError(f"{', '.join(odd)} makes sense at the call run_sse")
        if self.say is not None and self.ask is not None:
            raise ValueError("say and ask exclude each other")
        if self.session != EVERY_SESSION and self.call not in OF_A_SESSION:
            raise ValueError(f'the call {self.call} names no session, so the rule needs session: "*"')
        for named in self.fault:
            if self.call not in (sensible := CATALOG[named.name].endpoints):
                raise ValueError(f"{named.name} makes sense at {', '.join(sensible)}")
        return self

    @cached_property
    def faults(self) -> Sequence[Fault]:
        """What strikes, the outermost first: what bends the turn, then what cuts the bytes on the wire."""
        faults: list[Fault] = []
        fate = None if self.finish is None else _FATES[self.finish]
        if self.credits is not None:
            faults.append(CreditsLeft(self.credits))
        if any(getattr(self, name) is not None for name in _OF_TURNS):
            faults.append(
                Performance(says=self.say, asks=self.ask, heartbeats=self.heartbeats, lasts=self.lasts, fate=fate)
            )
        if self.drop_after is not None:
            faults.append(Drop(at_byte=self.drop_after, work=fate or "continuing"))
        return (*faults, *(named.fault for named in self.fault))

    def fits(self, call: str, turn: int | None) -> bool:
        """Say whether a call in this turn is one that the rule counts."""
        return self.call == call and self.turn in (None, turn)

    def view(self) -> dict[str, Any]:
        """Return it as the control routes show it."""
        shown = {name: getattr(self, name) for name in Rule.model_fields if name in self.model_fields_set}
        for name, spell in (("nth", str), ("fault", lambda faults: [named.name for named in faults])):
            if shown.get(name) is not None:
                shown[name] = spell(shown[name])
        return {"call": self.call, **shown}


class Scenario(BaseModel):
    """A named list of rules. `about` and `outcome` are for readers: what happens, and how a job ends that meets it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    about: str = ""
    outcome: Annotated[str, Field(pattern=r"^(?:requires_input, then )?(?:succeeded|failed\([a-z_]+\))$")] | None = None
    rules: list[Rule]

    def view(self) -> dict[str, Any]:
        """Return it as the control routes show it."""
        return {"about": self.about, "outcome": self.outcome, "rules": [rule.view() for rule in self.rules]}
