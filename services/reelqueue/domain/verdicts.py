"""What a step may say when it is done, and nothing else. One runner turns the verdict into one transaction.

A verdict never says *how* to write. `Learned` carries what the step found out about the job on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reelqueue.domain.credits import Booking
from reelqueue.domain.jobs import Answer, Billing, EventType, Status, WaitingReason
from reelqueue.domain.outputs import Export, Result
from reelqueue.domain.versions import NewVersion
from reelqueue.errors import ReelqueueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Facts to write beside the verdict; `None` leaves what the row has."""

    progress: int | None = None
    instruction_index: int | None = None
    project_id: str | None = None
    receipt: Mapping[str, Any] | None = None
    """Appended to the job's receipts."""
    billing: Billing | None = None
    booking: Booking | None = None
    """What the turn cost, for the ledger. Kept once a turn, however often it is written."""
    version: NewVersion | None = None
    """The draft that the turn left behind. Its number goes into the receipt."""
    answer: Answer | None = None
    """What is to be said to the agent next, in a turn of its own. Appended to the job's answers."""
    result: Result | None = None
    exports: tuple[Export, ...] | None = None
    """How far each output is, all of them."""
    stopped: tuple[str, ...] = ()
    """Renders that the upstream says it has stopped, by their ids: nothing more is to come of them."""


NOTHING = Learned()


@dataclass(frozen=True, slots=True)
class Advance:
    """The step did its work; the job goes to `to`, which may be the same status for the next instruction."""

    to: Status
    learned: Learned = NOTHING
    data: Mapping[str, Any] = field(default_factory=dict)
    """Public detail for the event."""
    event: EventType | None = None
    """What to tell in place of the status: one of several outputs is settled, and the status stays."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Nothing to do before `seconds` have passed. Costs no attempt. The runner shortens the wait by our speed."""

    seconds: float
    reason: WaitingReason
    learned: Learned = NOTHING
    detail: str | None = None
    exact: bool = False
    """The wait is somebody else's clock (a `Retry-After`): never shortened."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The step failed in a way that may pass. Costs an attempt; when they are used up the job fails with `cause`."""

    cause: ReelqueueError


@dataclass(frozen=True, slots=True)
class Ask:
    """The agent asked something; the job waits for its owner."""

    question: str
    learned: Learned = NOTHING


@dataclass(frozen=True, slots=True)
class Fail:
    """The job cannot succeed."""

    cause: ReelqueueError
    learned: Learned = NOTHING


@dataclass(frozen=True, slots=True)
class Canceled:
    """The owner's cancel was carried out."""

    learned: Learned = NOTHING
    data: Mapping[str, Any] = field(default_factory=dict)
    """Public detail for the event."""


Verdict = Advance | Snooze | Retry | Ask | Fail | Canceled
