"""The engine's neighbours in memory: a clock that stands still, stores that are dictionaries, jobs made to measure.

Every fake keeps the promise of the Protocol in `jobs/ports.py` it stands for, the fence included: a claim whose epoch
has moved on writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reelqueue.domain.assets import Asset
from reelqueue.domain.claims import Change, Claim, ClaimLost
from reelqueue.domain.estimates import ONE_TURN, UNKNOWN, Estimates, Size
from reelqueue.domain.jobs import Billing, EventType, Job, JobInput, Status
from reelqueue.domain.outputs import Output, Result
from reelqueue.domain.pace import Pace, cooling_s
from reelqueue.domain.sessions import Project, ProjectState, Render, RenderState
from reelqueue.domain.tokens import (
    BLOCKED_AGAIN_S,
    MOST_REFUSALS,
    BlockedBy,
    TokenHealth,
    TokenKind,
    TokenScope,
    UpstreamToken,
)
from reelqueue.domain.turns import Snapshot, Turn, TurnState
from reelqueue.domain.upstream import AnonymousToken, Credential, NemoSession, TurnReport
from reelqueue.domain.versions import NewVersion
from reelqueue.domain.workers import Heartbeat
from reelqueue.errors import ReelqueueError, SessionNotFound, TokenBlocked

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = "ten_00000000000000000000000001"
JOB = "job_00000000000000000000000001"
WORKER = "wrk_00000000000000000000000001"
TOKEN = "tok_00000000000000000000000001"


class MemoryHistory:
    """What jobs took lately: nothing is known, unless a test says so."""

    def __init__(self) -> None:
        self.estimates = UNKNOWN
        self.asked: list[tuple[str, Size]] = []

    def of(self, tenant_id: str, size: Size = ONE_TURN) -> Estimates:
        self.asked.append((tenant_id, size))
        return self.estimates


class HandClock:
    """A clock that moves when it is told to, and when somebody sleeps."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.forward(seconds)

    def forward(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds


def make_job(**changes: Any) -> Job:
    """A job in `queued` with one instruction and no inputs, changed as asked."""
    fields: dict[str, Any] = {
        "id": JOB,
        "tenant_id": TENANT,
        "status": Status.QUEUED,
        "project_id": None,
        "instructions": ("animate this",),
        "instruction_index": 0,
        "outputs": (Output(),),
        "language": None,
        "metadata": {},
        "external_id": None,
        "customer": None,
        "webhook_url": None,
        "progress": 0,
        "waiting": None,
        "receipts": (),
        "result": None,
        "error": None,
        "billing": Billing(),
        "retried_from": None,
        "attempt": 0,
        "event_seq": 1,
        "lease_epoch": 1,
        "finish_by": None,
        "cancel_requested_at": None,
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": None,
        "inputs": (),
    }
    return Job(**{**fields, **changes})


def make_claim(**changes: Any) -> Claim:
    return Claim(job=make_job(**changes), worker_id=WORKER)


def snapshot(digest: str = "a", *, available: float | None = 100.0, frozen: float | None = 0.0) -> Snapshot:
    return Snapshot(digest=digest, timeline=(), exportable=True, available=available, frozen=frozen)


def make_asset(number: int = 1) -> Asset:
    return Asset(
        id=f"ast_{number:026d}",
        tenant_id=TENANT,
        sha256=f"{number:032x}" * 2,
        bytes=10,
        kind="image",
        media_type="image/png",
        extension="png",
        label="a.png",
        width=1,
        height=1,
        duration_ms=None,
        blob_key=f"blob/{number}",
        created_at=NOW,
    )


RESULT = Result(
    blob_key="results/1", sha256="0" * 64, bytes=10, duration_ms=1000, width=1080, height=1920, container="mp4"
)


@dataclass
class World:
    """All the stores of one job, with the one list that everybody writes what happened into."""

    log: list[Any] = field(default_factory=list)
    epoch: int = 1
    """The epoch that the database knows; a claim with another is lost."""
    turns: dict[int, Turn] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    former: list[Project] = field(default_factory=list)
    """Sessions of projects that got another one."""
    bound: str | None = None
    """The project that the job's row names."""
    input_states: dict[int, str] = field(default_factory=dict)
    renders: list[Render] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    tokens: dict[str, UpstreamToken] = field(default_factory=dict)
    tenants: int = 1
    secrets: dict[str, str] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    clock: HandClock = field(default_factory=HandClock)

    def fence(self, claim: Claim) -> None:
        if claim.epoch != self.epoch:
            raise ClaimLost(claim.job.id)

    def ready_project(self, name: str = "prj_1") -> Project:
        """A project whose session is known, bound to the job."""
        project = Project(
            id=name,
            tenant_id=TENANT,
            token_id=TOKEN,
            state=ProjectState.READY,
            session_id=f"session of {name}",
            task_id=None,
            user_id=None,
        )
        self.projects[name] = project
        self.bound = name
        return project

    def add_token(self, token_id: str = TOKEN, *, kind: TokenKind = TokenKind.SUPPLIED, secret: str = "s1") -> None:
        self.tokens[token_id] = UpstreamToken(
            id=token_id,
            tenant_id=None,
            label="x",
            kind=kind,
            client_id="client" if kind is TokenKind.ANONYMOUS else None,
            user_id=None,
            health=TokenHealth.OK,
            cooling_until=None,
            generation=1,
            created_at=NOW,
        )
        self.secrets[token_id] = secret

    def claim(self, **changes: Any) -> Claim:
        """The job as its row now stands, under the epoch that the database knows."""
        inputs = changes.pop("inputs", ())
        known = tuple(replace(i, sent=self.input_states.get(i.position) == "sent") for i in inputs)
        return make_claim(**{"project_id": self.bound, "lease_epoch": self.epoch, "inputs": known, **changes})


class MemoryTurns:
    """`store.turns.Turns`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, job_id: str, position: int) -> Turn | None:
        return self._world.turns.get(position)

    def prepare(self, claim: Claim, position: int, before: Snapshot) -> None:
        self._world.fence(claim)
        known = self._world.turns.get(position)
        if known is not None and known.state is not TurnState.READY:
            raise ClaimLost(claim.job.id)
        self._world.log.append("prepare")
        self._world.turns[position] = Turn(
            job_id=claim.job.id,
            position=position,
            state=TurnState.READY,
            before=before,
            sent_at=None,
            observations=0,
            last_seen=None,
            report=None,
        )

    def begin_sending(self, claim: Claim, position: int) -> None:
        if any(token.blocked_at is not None for token in self._world.tokens.values()):
            raise TokenBlocked(retry_after=BLOCKED_AGAIN_S)
        self._change(claim, position, {TurnState.READY}, state=TurnState.SENDING, sent_at=self._world.clock.now())
        self._world.log.append("begin_sending")

    def finish(self, claim: Claim, position: int, report: TurnReport | None) -> Turn:
        self._change(claim, position, {TurnState.SENDING}, state=TurnState.FINISHED, report=report)
        return self._world.turns[position]

    def give_up(self, claim: Claim, position: int) -> None:
        self._change(claim, position, {TurnState.SENDING}, state=TurnState.UNKNOWN)

    def reopen(self, claim: Claim, position: int) -> None:
        self._change(claim, position, {TurnState.SENDING}, state=TurnState.READY, sent_at=None)
        self._world.log.append("reopen")

    def observe(self, claim: Claim, position: int, seen: Snapshot) -> None:
        looks = self._world.turns[position].observations + 1
        self._change(claim, position, {TurnState.SENDING, TurnState.FINISHED}, observations=looks, last_seen=seen)

    def _change(self, claim: Claim, position: int, states: set[TurnState], **changes: Any) -> None:
        self._world.fence(claim)
        turn = self._world.turns.get(position)
        if turn is None or turn.state not in states:
            raise ClaimLost(claim.job.id)
        self._world.turns[position] = replace(turn, **changes)


class MemoryProjects:
    """`store.projects.Projects`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, tenant_id: str, project_id: str) -> Project | None:
        return self._world.projects[project_id]

    def begin(self, claim: Claim, token_id: str) -> Project:
        self._world.fence(claim)
        name, opening = claim.job.project_id or f"prj_{len(self._world.projects) + 1}", 1
        old = self._world.projects.get(name)
        if old is not None:
            if any(turn.state is not TurnState.READY for turn in self._world.turns.values()):
                raise SessionNotFound
            self._world.former.append(old)
            opening = old.opening + 1
        project = Project(
            id=name,
            tenant_id=claim.job.tenant_id,
            token_id=token_id,
            state=ProjectState.CREATING,
            session_id=None,
            task_id=None,
            user_id=None,
            opening=opening,
        )
        self._world.projects[project.id] = project
        self._world.bound = project.id
        self._world.input_states.clear()
        self._world.log.append("project begun")
        return project

    def ready(self, project: Project, session: NemoSession) -> Project:
        known = replace(project, state=ProjectState.READY, session_id=session.session_id, task_id=session.task_id)
        self._world.projects[project.id] = known
        return known

    def lost(self, project_id: str) -> None:
        self._world.projects[project_id] = replace(self._world.projects[project_id], state=ProjectState.LOST)


class MemoryVersions:
    """`store.versions.Versions`, as far as steps use it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def note(self, claim: Claim, new: NewVersion) -> None:
        self._world.fence(claim)
        self._world.versions.append(new.draft)

    def draft(self, tenant_id: str, project_id: str, number: int) -> str:
        return self._world.versions[number - 1]


class MemoryUploads:
    """`store.uploads.Uploads`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def begin(self, claim: Claim, positions: tuple[int, ...]) -> None:
        self._mark(claim, positions, "sending")

    def done(self, claim: Claim, positions: tuple[int, ...]) -> None:
        self._mark(claim, positions, "sent")

    def _mark(self, claim: Claim, positions: tuple[int, ...], state: str) -> None:
        self._world.fence(claim)
        for position in positions:
            self._world.input_states[position] = state
            self._world.log.append((state, position))


class MemoryRenders:
    """`store.renders.Renders`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def newest(self, job_id: str) -> dict[int, Render]:
        return {render.output_index: render for render in self._world.renders}

    def open_of(self, job_id: str) -> list[Render]:
        running = (RenderState.PREPARED, RenderState.SUBMITTED)
        return [render for render in self._world.renders if render.state in running]

    def prepare(self, claim: Claim, render_id: str, *, output_index: int, attempt: int) -> Render:
        self._world.fence(claim)
        if any((r.output_index, r.attempt) == (output_index, attempt) for r in self._world.renders):
            raise ClaimLost(claim.job.id)
        render = Render(
            id=render_id,
            job_id=claim.job.id,
            output_index=output_index,
            attempt=attempt,
            state=RenderState.PREPARED,
            polls=0,
            url=None,
            created_at=self._world.clock.now(),
            submitted_at=None,
        )
        self._world.renders.append(render)
        self._world.log.append(("stored", render_id))
        return render

    def submitted(self, claim: Claim, render: Render) -> None:
        self._change(claim, render, state=RenderState.SUBMITTED, submitted_at=self._world.clock.now())

    def polled(self, claim: Claim, render: Render) -> None:
        self._change(claim, render, polls=render.polls + 1)

    def completed(self, claim: Claim, render: Render, url: str | None) -> None:
        self._change(claim, render, state=RenderState.COMPLETED, url=url)

    def failed(self, claim: Claim, render: Render) -> None:
        self._change(claim, render, state=RenderState.FAILED)

    def _change(self, claim: Claim, render: Render, **changes: Any) -> None:
        self._world.fence(claim)
        [place] = [place for place, known in enumerate(self._world.renders) if known.id == render.id]
        assert self.newest(claim.job.id)[render.output_index].id == render.id
        self._world.renders[place] = replace(self._world.renders[place], **changes)


class MemoryTokens:
    """`store.tokens.UpstreamTokens`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.RLock()
        self.marks: list[tuple[TokenHealth, int, float | None]] = []

    def pick(self, tenant_id: str) -> UpstreamToken | None:
        usable = (t for t in self._world.tokens.values() if t.health is TokenHealth.OK and t.blocked_at is None)
        return next(usable, None)

    def spent(self, tenant_id: str) -> UpstreamToken | None:
        return next((t for t in self._world.tokens.values() if t.health is TokenHealth.EXHAUSTED), None)

    def any_set_aside(self, tenant_id: str) -> bool:
        return any(t.blocked_at is not None for t in self._world.tokens.values())

    def forbidden(self, token_id: str, scope: TokenScope, *, generation: int) -> bool:
        token = self._world.tokens[token_id]
        refused = (*token.refused, scope.value)
        enough = refused.count(scope.value) >= MOST_REFUSALS
        if enough:
            token = replace(token, blocked_at=self._world.clock.now(), blocked_by=BlockedBy.REFUSALS)
        self._world.tokens[token_id] = replace(token, refused=refused)
        return enough

    def allowed(self, token_id: str, scope: TokenScope, *, generation: int) -> bool:
        token = self._world.tokens[token_id]
        self._world.tokens[token_id] = replace(token, refused=tuple(s for s in token.refused if s != scope.value))
        return scope.value in token.refused

    def single_tenant(self) -> bool:
        return self._world.tenants <= 1

    def cooled_in(self, tenant_id: str) -> float | None:
        until = [t.cooling_until for t in self._world.tokens.values() if t.health is TokenHealth.COOLING]
        moments = [moment for moment in until if moment is not None]
        return (min(moments) - self._world.clock.now()).total_seconds() if moments else None

    def find(self, token_id: str) -> UpstreamToken:
        return self._world.tokens[token_id]

    def credential(self, token_id: str) -> Credential:
        token = self._world.tokens[token_id]
        left = 0.0 if token.cooling_until is None else (token.cooling_until - self._world.clock.now()).total_seconds()
        pace = Pace(per_minute=token.requests_per_minute, strikes=token.strikes, cooling_s=max(0.0, left))
        return Credential(token_id, self._world.secrets[token_id], pace)

    def cool(self, token_id: str, *, asked_s: float | None, speed: float = 1.0) -> float:
        with self._lock:
            token = self._world.tokens[token_id]
            seconds = cooling_s(asked_s, token.strikes + 1, speed=speed)
            self._world.tokens[token_id] = replace(token, strikes=token.strikes + 1)
            self.mark(token_id, TokenHealth.COOLING, generation=token.generation, cooling_s=seconds)
            return seconds

    def works(self, token_id: str) -> bool:
        with self._lock:
            token = self._world.tokens[token_id]
            self._world.tokens[token_id] = replace(token, strikes=0, health=TokenHealth.OK)
            return token.strikes > 0

    def mark(self, token_id: str, health: TokenHealth, *, generation: int, cooling_s: float | None = None) -> bool:
        with self._lock:
            self.marks.append((health, generation, cooling_s))
            token = self._world.tokens[token_id]
            if token.generation != generation:
                return False
            until = None if cooling_s is None else self._world.clock.now() + timedelta(seconds=cooling_s)
            self._world.tokens[token_id] = replace(token, health=health, cooling_until=until)
            return True

    @contextmanager
    def refreshing(self, name: str) -> Iterator[None]:
        with self._lock:
            yield

    def add_anonymous(self, client_id: str, fresh: AnonymousToken) -> UpstreamToken:
        self._world.add_token("tok_anonymous", kind=TokenKind.ANONYMOUS, secret=fresh.token)
        return self._world.tokens["tok_anonymous"]

    def replace_secret(self, token_id: str, *, generation: int, fresh: AnonymousToken) -> bool:
        with self._lock:
            token = self._world.tokens[token_id]
            if token.generation != generation:
                return False
            self._world.tokens[token_id] = replace(token, generation=generation + 1, health=TokenHealth.OK)
            self._world.secrets[token_id] = fresh.token
            return True


class MemoryAssets:
    """`store.assets.Assets`, as far as steps read it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find_many(self, tenant_id: str, ids: Sequence[str]) -> list[Asset]:
        return [self._world.assets[asset_id] for asset_id in ids]


class FlatBlobs:
    """`files.blobs.BlobStore`, as far as steps read it."""

    @contextmanager
    def fetch_to(self, key: str) -> Iterator[Path]:
        yield Path("/nowhere") / key


class ScriptedKeeper:
    """`files.job_results.JobResults`: outcomes in order, the last one stays."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes) or [RESULT]
        self.urls: list[str | None] = []
        self.numbers: list[int] = []

    def keep(self, job: Job, url: str, *, number: int) -> Result:
        self.urls.append(url)
        self.numbers.append(number)
        return self._next()

    def keep_stream(self, job: Job, write_into: Callable[[Callable[[bytes], object]], None], *, number: int) -> Result:
        self.urls.append(None)
        self.numbers.append(number)
        write_into(lambda data: None)
        return self._next()

    def _next(self) -> Result:
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class MemoryClaims:
    """`store.claims.Claims` over one job; `failures` are raised by `apply` before it does anything."""

    def __init__(self, job: Job, *failures: Exception) -> None:
        self.job = job
        self.failures = list(failures)
        self.changes: list[Change] = []
        self.held_by: str | None = None
        self.let_go_of: list[tuple[str, bool]] = []
        self.progress: list[int] = []
        self.told: list[tuple[EventType, dict[str, Any]]] = []
        self.rung = True

    def claim(self, job_id: str, worker_id: str) -> Claim | None:
        if not self.rung:
            return None
        self.rung = False
        self.held_by = worker_id
        self.job = replace(self.job, lease_epoch=self.job.lease_epoch + 1)
        return Claim(job=self.job, worker_id=worker_id)

    def tell(self, claim: Claim, what: EventType, data: Mapping[str, Any]) -> None:
        self.told.append((what, dict(data)))

    def apply(self, claim: Claim, change: Change) -> Job:
        if self.failures:
            raise self.failures.pop(0)
        if (
            claim.epoch != self.job.lease_epoch
            or self.held_by != claim.worker_id
            or change.origin is not self.job.status
        ):
            raise ClaimLost(claim.job.id)
        self.changes.append(change)
        self.job = replace(self.job, status=change.to, attempt=change.attempt, waiting=change.waiting)
        if change.hold != "keep":
            self.held_by = None
        return self.job

    def note_progress(self, claim: Claim, percent: int) -> None:
        self.progress.append(percent)

    def let_go(self, job_id: str, worker_id: str, *, crashed: bool) -> bool:
        if self.failures:
            raise self.failures.pop(0)
        self.let_go_of.append((job_id, crashed))
        self.held_by = None
        return True


class MemoryWorkers:
    """`store.workers.Workers`: `heartbeats` are the answers in order, the last one stays."""

    def __init__(self, *heartbeats: Any) -> None:
        self._heartbeats = list(heartbeats) or [frozenset()]
        self.registered: list[str] = []
        self.beaten: list[tuple[str, bool]] = []
        self.left: list[str] = []
        self.alive = 1

    def register(self, *, node: str, queues: Sequence[str], capacity: int) -> str:
        self.registered.append(f"wrk_{len(self.registered) + 1}")
        return self.registered[-1]

    def heartbeat(self, worker_id: str, *, draining: bool = False) -> Heartbeat | None:
        answer = self._heartbeats.pop(0) if len(self._heartbeats) > 1 else self._heartbeats[0]
        self.beaten.append((worker_id, draining))
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else Heartbeat(wanted=answer, alive=self.alive)

    def leave(self, worker_id: str) -> None:
        self.left.append(worker_id)


def job_input(position: int, *, asset: Asset | None = None, url: str | None = None) -> JobInput:
    return JobInput(position=position, asset_id=None if asset is None else asset.id, url=url)


def every_error() -> list[type[ReelqueueError]]:
    """Every class of `reelqueue.errors`, by name."""
    found: set[type[ReelqueueError]] = set()
    left = [ReelqueueError]
    while left:
        one = left.pop()
        found.add(one)
        left += one.__subclasses__()
    return sorted((one for one in found if one.__module__.startswith("reelqueue.errors")), key=lambda one: one.__name__)
