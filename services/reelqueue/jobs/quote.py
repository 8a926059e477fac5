"""`POST /v1/jobs:quote` without HTTP: all the checks of a submission, and nothing kept."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Protocol

from reelqueue.domain.estimates import Size
from reelqueue.domain.quotes import Quote, quote
from reelqueue.domain.repairs import Repair
from reelqueue.errors import CallerError
from reelqueue.jobs.drafts import DraftInput, JobDraft
from reelqueue.jobs.ports import HistoryStore
from reelqueue.jobs.submit import FETCHES_AT_ONCE, JobSubmission, Seen
from reelqueue.jobs.submit_ports import ReceivedFile
from reelqueue.kit.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class InputQuote:
    """What would become of one input: taken as it is, with these repairs, or refused."""

    repairs: tuple[Repair, ...] = ()
    refused: CallerError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedJob:
    """The inputs in the order that a job would have them, and the figures."""

    inputs: tuple[InputQuote, ...]
    figures: Quote


class Prices(Protocol):
    """`store.quotas.Quotas`, as far as it is asked here."""

    def turn_costs(self, tenant_id: str) -> float:
        """What accepting a job would reserve for each of its turns, if the tenant has a budget."""
        ...


class JobQuote:
    """Says what a job would come to. Writes no row and keeps no file. Blocks, for input URLs up to minutes."""

    def __init__(self, submission: JobSubmission, history: HistoryStore, prices: Prices, clock: Clock) -> None:
        self._submission = submission
        self._history = history
        self._prices = prices
        self._clock = clock

    def quote(self, tenant_id: str, draft: JobDraft, *, files: Sequence[ReceivedFile] = ()) -> QuotedJob:
        """The quote. `files` stay the caller's to discard.

        Raises what a submission raises, but for its inputs: each of these is told by itself.
        """
        self._submission.check_whole(tenant_id, draft, files)
        with ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="quote-input") as pool:
            # Each in a copy of the caller's context: on whose behalf it works is said there.
            looks = [
                pool.submit(copy_context().run, self._input, tenant_id, draft, place)
                for place in range(len(draft.inputs))
            ]
            listed = [look.result() for look in looks]
        uploaded = (InputQuote(repairs=tuple(file.repairs)) for file in files)
        size = Size(turns=len(draft.instructions), exports=bool(draft.outputs))
        figures = quote(
            size.turns,
            draft.policies,
            self._history.of(tenant_id, size),
            turn_costs=self._prices.turn_costs(tenant_id),
            now=self._clock.now(),
            start_by=draft.start_by,
            finish_by=draft.finish_by,
        )
        return QuotedJob(inputs=(*listed, *uploaded), figures=figures)

    def _input(self, tenant_id: str, draft: JobDraft, place: int) -> InputQuote:
        one = draft.inputs[place]
        try:
            return InputQuote(repairs=self._repairs(tenant_id, draft, one))
        except CallerError as error:
            error.pointer = f"/inputs/{place}"
            return InputQuote(refused=error)

    def _repairs(self, tenant_id: str, draft: JobDraft, one: DraftInput) -> tuple[Repair, ...]:
        alone, seen = replace(draft, inputs=(one,), webhook_url=None, project=None), Seen()
        self._submission.checked(tenant_id, alone, seen)
        with self._submission.fetched(alone) as fetched:
            if fetched:
                return tuple(fetched[0].repairs)
            return () if one.asset_id is None else seen.assets[one.asset_id].repairs
