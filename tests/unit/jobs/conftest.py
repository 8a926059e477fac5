"""A workbench: every step over stores in memory and an upstream that answers as scripted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.engine import (
    WORKER,
    FlatBlobs,
    HandClock,
    MemoryAssets,
    MemoryClaims,
    MemoryHistory,
    MemoryProjects,
    MemoryRenders,
    MemoryTokens,
    MemoryTurns,
    MemoryUploads,
    MemoryVersions,
    ScriptedKeeper,
    World,
    make_job,
)
from fakes.upstream import ScriptedUpstream
from reelqueue.domain.upstream import TurnLimits
from reelqueue.jobs.live_turns import LiveTurns
from reelqueue.jobs.observe import Observer
from reelqueue.jobs.session import SessionKeeper
from reelqueue.jobs.steps.cancel import CancelStep
from reelqueue.jobs.steps.instruct import InstructStep
from reelqueue.jobs.steps.open import OpenStep
from reelqueue.jobs.steps.reconcile import Recipe, Reconciler
from reelqueue.jobs.steps.render import PollSchedule, RenderStep
from reelqueue.jobs.steps.save import SaveStep
from reelqueue.jobs.steps.upload import UploadStep
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.jobs.turn_log import TurnLog

RECIPE = Recipe(first_s=30, next_s=60, looks=5, lag_s=2, lag_looks=3, patience_s=3600, refused_s=300)


@dataclass
class HandLease:
    """A lease that is as good as the test says."""

    worker_id: str = WORKER
    good: bool = True

    def is_good_for(self, worker_id: str) -> bool:
        return self.good and worker_id == self.worker_id


@dataclass
class Bench:
    world: World
    upstream: ScriptedUpstream
    tokens: MemoryTokens
    lease: HandLease = field(default_factory=HandLease)
    live: LiveTurns = field(default_factory=LiveTurns)
    keeper: ScriptedKeeper = field(default_factory=ScriptedKeeper)
    history: MemoryHistory = field(default_factory=MemoryHistory)

    @property
    def clock(self) -> HandClock:
        return self.world.clock

    def __post_init__(self) -> None:
        world, upstream = self.world, self.upstream
        self.desk = desk = TokenDesk(self.tokens, upstream, anonymous_client_id=None, clock=world.clock)
        self.turns = MemoryTurns(world)
        renders = MemoryRenders(world)
        self.claims = MemoryClaims(make_job())
        self.sessions = sessions = SessionKeeper(
            upstream=upstream,
            desk=desk,
            projects=MemoryProjects(world),
            uploads=MemoryUploads(world),
            assets=MemoryAssets(world),
            blobs=FlatBlobs(),
        )
        observer = Observer(upstream, desk)
        reconciler = Reconciler(
            upstream=upstream, desk=desk, observer=observer, turns=self.turns, recipe=RECIPE, clock=world.clock
        )
        self.open = OpenStep(sessions)
        self.upload = UploadStep(sessions)
        self.instruct = InstructStep(
            upstream=upstream,
            desk=desk,
            sessions=sessions,
            turns=self.turns,
            versions=MemoryVersions(world),
            observer=observer,
            reconciler=reconciler,
            live=self.live,
            lease=self.lease,
            log=TurnLog(self.claims, world.clock, speed=1.0),
            limits=TurnLimits(),
            history=self.history,
            clock=world.clock,
        )
        self.render = RenderStep(
            upstream=upstream,
            desk=desk,
            sessions=sessions,
            renders=renders,
            versions=MemoryVersions(world),
            schedule=PollSchedule(first_s=2, longest_s=30, budget_s=600),
            clock=world.clock,
            speed=1.0,
        )
        self.save = SaveStep(
            upstream=upstream,
            desk=desk,
            sessions=sessions,
            renders=renders,
            keeper=self.keeper,
            max_bytes=1000,
            tries=3,
        )
        self.cancel = CancelStep(
            upstream=upstream, desk=desk, sessions=sessions, renders=renders, reconciler=reconciler
        )

    def events(self) -> list[Any]:
        """What happened, by name, in order."""
        return [entry[0] if isinstance(entry, tuple) else entry for entry in self.world.log]


@pytest.fixture
def bench() -> Bench:
    world = World()
    world.add_token()
    return Bench(world=world, upstream=ScriptedUpstream(world.log), tokens=MemoryTokens(world))
