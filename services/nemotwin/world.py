"""Everything the twin remembers, put together."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from nemotwin.accounts import Accounts
from nemotwin.agent import Intent
from nemotwin.charges import Charges
from nemotwin.clips import Clips
from nemotwin.clock import Clock
from nemotwin.connections import Connections
from nemotwin.doors import Door
from nemotwin.faults import Faults
from nemotwin.films import Films
from nemotwin.ledger import Ledger
from nemotwin.limits import Limits
from nemotwin.mishaps import CATALOG
from nemotwin.renders import Renders
from nemotwin.scenarios.catalog import catalog
from nemotwin.scenarios.rules import Scenario
from nemotwin.scenarios.stage import Stage
from nemotwin.sessions import Sessions
from nemotwin.settings import Dials, Settings
from nemotwin.snapshot import Snapshot
from nemotwin.turns import Turns
from nemotwin.uploads import Uploads

Origin: TypeAlias = Literal["api", "cdn"]
ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)


class World:
    """The twin's memory and clock. `restore` begins it anew, empty or from a snapshot; nobody keeps its parts."""

    accounts: Accounts
    limits: Limits
    ledger: Ledger
    sessions: Sessions
    charges: Charges
    turns: Turns
    uploads: Uploads
    renders: Renders
    clips: Clips

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        wall: Callable[[], float] = time.time,
        scenarios: Mapping[str, Scenario] = MappingProxyType({}),
    ) -> None:
        """Begin empty, with files under `folder`, and with `scenarios` beside those that are always there."""
        self._folder = folder
        self._wall = wall
        self.dials = Dials(settings)
        self.clock = Clock(start=wall(), speed=settings.speed)
        self.connections = Connections()
        self.doors: dict[Origin, Door] = {}
        self.faults = Faults(CATALOG)
        self.stage = Stage({**catalog(), **scenarios})
        self.films = Films(folder / "renders")
        self.touched = False
        self.cdn_url = ""
        self.restore(Snapshot())

    def restore(self, snapshot: Snapshot) -> None:
        """Replace all memory. Virtual time goes on from the snapshot's, if that is ahead of the clock."""
        self.clock.advance(max(snapshot.virtual_now - self.clock.now(), 0.0))
        clock, dials = self.clock, self.dials
        self.accounts = Accounts(
            clock=clock,
            dials=dials,
            accounts=snapshot.accounts,
            tokens=snapshot.tokens,
            claims=snapshot.claims,
        )
        self.limits = Limits(clock=clock, dials=dials, tokens=self.accounts.tokens)
        self.ledger = Ledger(clock=clock, book=snapshot.book, wall=self._wall)
        self.sessions = Sessions(clock=clock, dials=dials, sessions=snapshot.sessions)
        self.charges = Charges(accounts=self.accounts, ledger=self.ledger)
        self.turns = Turns(clock=clock, dials=dials, ledger=self.ledger, charges=self.charges, sessions=self.sessions)
        self.uploads = Uploads(self._folder / "uploads", dials=dials)
        self.renders = Renders(
            clock=clock, dials=dials, films=self.films, sessions=self.sessions, renders=snapshot.renders
        )
        self.clips = Clips(dials=dials, films=self.films, sessions=self.sessions)
        self.serve_files_at(self.cdn_url)
        self._lose_what_ran()

    def snapshot(self) -> Snapshot:
        """Return all memory as values to be written down at once: they are not copied."""
        return Snapshot(
            virtual_now=self.clock.now(),
            accounts=list(self.accounts.accounts.values()),
            tokens=list(self.accounts.tokens.values()),
            claims=sorted(self.accounts.claims),
            sessions=list(self.sessions.by_id.values()),
            renders=list(self.renders.by_id.values()),
            book=self.ledger.book,
        )

    def serve_files_at(self, cdn_url: str) -> None:
        """Say where uploads and films are served: the second origin."""
        self.cdn_url = self.turns.cdn_url = self.uploads.cdn_url = self.renders.cdn_url = cdn_url

    async def reset(self) -> None:
        """Forget everything and go back to the settings of the start; running work is broken off."""
        await self.stop_work()
        self.faults.disarm()
        self.stage.clear()
        self.clock.set_speed(self.dials.reset().speed)
        self.restore(Snapshot())
        self.touched = True

    async def stop_work(self) -> None:
        """Break off all turns and renders."""
        await self.turns.stop_all()
        await self.renders.stop_all()

    def _lose_what_ran(self) -> None:
        """End what the snapshot shows as running: nobody runs it any more, so its credits go back."""
        for turn in self.ledger.book.turns:
            if turn.outcome == "running":
                turn.outcome = "lost"
        for charge in self.ledger.book.charges:
            if charge.outcome == "frozen" and charge.kind == Intent.EDIT.value:
                self.sessions.by_id[charge.session_id].edit_charged = False
            self.charges.release(charge)
