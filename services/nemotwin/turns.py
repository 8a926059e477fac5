"""Agent turns: each is one task that plays its script over virtual time, whether or not anyone listens."""

import asyncio
import logging
import random
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

from nemotwin import script
from nemotwin.accounts import Account
from nemotwin.agent import Intent, Plan
from nemotwin.answers import remember, understand
from nemotwin.charges import Charges
from nemotwin.clock import Clock
from nemotwin.errors import code_refusal
from nemotwin.events import Draught, Scribe
from nemotwin.feed import Feed
from nemotwin.ledger import ChargeEntry, Entry, Ledger, TurnEntry, TurnOutcome
from nemotwin.scenarios import prefix
from nemotwin.sessions import Session, Sessions, State
from nemotwin.settings import Dials, Settings
from nemotwin.twists import STALE_ERROR, ErrorFrame, TurnTwist

_LOG = logging.getLogger(__name__)

Fate: TypeAlias = Literal["continuing", "canceled", "partial", "stopped"]
"""What becomes of a turn whose client has gone: it runs on; it never happened (no change, no charge); it ends after its
first change, which is charged; or it stops where it is, as a plain ADK server does."""


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """A turn being played. `writes` is the session's count of changes as this turn knows it."""

    entry: TurnEntry
    session: Session
    script: script.Script
    scribe: Scribe
    charge: ChargeEntry | None
    twist: TurnTwist
    before: State
    writes: int
    feed: Feed = field(default_factory=Feed)
    ends_after_change: bool = False
    task: "asyncio.Task[TurnOutcome] | None" = None


class Turns:
    """Starts turns, and sees to it that each ends with its credits charged or released and its line in the ledger."""

    def __init__(self, *, clock: Clock, dials: Dials, ledger: Ledger, charges: Charges, sessions: Sessions) -> None:
        """Play turns by `clock` and charge them to `charges`."""
        self._clock = clock
        self._dials = dials
        self._ledger = ledger
        self._charges = charges
        self._sessions = sessions
        self._running: set[Turn] = set()
        self.cdn_url = ""

    @property
    def running(self) -> int:
        """How many turns are being played."""
        return len(self._running)

    def running_of(self, token: str) -> int:
        """How many turns are being played that the token of this fingerprint began."""
        return sum(turn.entry.token == token for turn in self._running)

    def start(
        self,
        session: Session,
        account: Account,
        message: str,
        *,
        seen: Entry,
        snake_case: bool,
        twist: TurnTwist | None = None,
    ) -> Turn:
        """Start the turn that answers `message`, bent by `twist`. `seen` is the ledger's line of the request.

        Raises code 2001, and starts nothing, if the account cannot pay for it; refuses with 409, where the settings
        say so, while another turn runs in the session.
        """
        settings, twist = self._dials.now, twist or TurnTwist()
        if settings.turns_per_session == "reject" and any(turn.session is session for turn in self._running):
            raise code_refusal(409, "another turn is running in this session")
        instruction, plan = understand(prefix.split(message)[1], session)
        if twist.talks is not None:
            plan = Plan(Intent.TALK, "greeting", words=twist.talks)
        elif twist.asks is not None:
            plan = Plan(Intent.ASK, "ask_style", words=twist.asks)
        turn_id = f"turn_{secrets.token_hex(8)}"
        charge = self._freeze(session, account, plan, turn_id=turn_id, token=seen.token or "")
        chance = self._sessions.chance(session)
        scribe = Scribe(random.Random(chance.getrandbits(64)))
        chinese = instruction.chinese or session.language.lower().startswith("zh")
        played = script.write(
            script.Cast(
                plan=plan,
                pictures=session.pictures(),
                chinese=chinese,
                settings=settings,
                chance=chance,
                scribe=scribe,
                cdn_url=self.cdn_url,
            )
        )
        played = twist.bend(played)
        remember(session, instruction, plan)
        entry = TurnEntry(
            **self._ledger.marks(seen),
            turn_id=turn_id,
            session_id=session.session_id,
            message=message,
            intent=plan.intent.value,
            silent=played.silent,
            snake_case=snake_case,
            duplicate_of=self._ledger.first_turn(session.session_id, message, turn_id),
        )
        self._ledger.book.turns.append(entry)
        turn = Turn(
            entry=entry,
            session=session,
            script=played,
            scribe=scribe,
            charge=charge,
            twist=twist,
            before=session.state,
            writes=session.writes,
        )
        self._running.add(turn)
        turn.task = asyncio.create_task(self._play(turn))
        # Not a `finally` in the task: one that is cancelled before its first step never enters its body.
        turn.task.add_done_callback(partial(self._end, turn))
        return turn

    def abandon(self, turn: Turn, fate: Fate) -> None:
        """Do to a turn what its client's going away does to it."""
        if turn.task is None or turn.task.done():
            return
        turn.entry.disconnected = True
        if fate == "canceled":
            turn.session.state = turn.before
            turn.entry.changed_state = False
            turn.task.cancel()
        elif fate == "stopped" or (fate == "partial" and turn.entry.changed_state):
            turn.task.cancel()
        elif fate == "partial":
            turn.ends_after_change = True

    async def stop_all(self) -> None:
        """Break off every running turn and wait until each has ended; their credits are released."""
        tasks = [turn.task for turn in self._running if turn.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _freeze(
        self, session: Session, account: Account, plan: Plan, *, turn_id: str, token: str
    ) -> ChargeEntry | None:
        cost = _cost(plan, session, self._dials.now)
        of = {"token": token, "session_id": session.session_id, "turn_id": turn_id, "kind": plan.intent.value}
        charge = self._charges.freeze(account, cost, of)
        if plan.intent is Intent.EDIT:
            session.edit_charged = True
        return charge

    async def _play(self, turn: Turn) -> TurnOutcome:
        for step in turn.script.steps:
            await self._clock.sleep(step.after)
            ending = ErrorFrame(text=STALE_ERROR) if step.change and self._stale(turn) else step.ending
            if ending is not None:
                turn.feed.put(ending.spell(turn.scribe, at=self._clock.now()))
                return "failed"
            delta = step.change(turn.session.state) if step.change else {}
            if delta:
                self._apply(turn, delta)
            draught: Draught = step.draught(turn.session.state)
            shown = turn.session.decorated(delta)
            turn.feed.put(turn.scribe.write(draught, at=self._clock.now(), delta=shown))
            if delta and turn.ends_after_change:
                return "partial"
        return "completed"

    def _stale(self, turn: Turn) -> bool:
        return self._dials.now.turns_per_session == "stale" and turn.writes != turn.session.writes

    def _apply(self, turn: Turn, delta: State) -> None:
        lag = self._dials.now.state_lag if turn.twist.lag is None else turn.twist.lag
        turn.session.apply(delta, lag=lag)
        turn.session.writes += 1
        turn.writes = turn.session.writes
        turn.entry.changed_state = True

    def _end(self, turn: Turn, task: "asyncio.Task[TurnOutcome]") -> None:
        if task.cancelled():
            turn.entry.outcome = "partial" if turn.entry.changed_state else "canceled"
        elif error := task.exception():
            turn.entry.outcome = "failed"
            _LOG.error("turn.broken", exc_info=error)
        else:
            turn.entry.outcome = task.result()
        if turn.charge is not None and not turn.twist.keeps_frozen:
            self._pay(turn, turn.charge)
        turn.entry.finished_at, turn.entry.real_finished_at = self._ledger.stamp()
        turn.session.used_at = max(turn.session.used_at, turn.entry.finished_at)
        self._running.discard(turn)
        turn.feed.close()

    def _pay(self, turn: Turn, charge: ChargeEntry) -> None:
        if turn.entry.changed_state:
            self._charges.settle(charge)
        else:
            self._charges.release(charge)
            turn.session.edit_charged = turn.session.edit_charged and charge.kind != Intent.EDIT.value


def _cost(plan: Plan, session: Session, settings: Settings) -> int:
    match plan.intent:
        case Intent.GENERATE:
            return settings.generation_cost
        case Intent.EDIT:
            paid = session.edit_charged and settings.edit_charge == "session"
            return 0 if paid else settings.edit_cost
        case Intent.ASK | Intent.TALK:
            return 0
