"""Accepting a batch: everything is checked and fetched before anything is committed, then all of it at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Final, Protocol

from reelqueue.domain.assets import Asset
from reelqueue.domain.batches import Batch, NewBatch
from reelqueue.domain.intake import IdempotencyKey, NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import Job
from reelqueue.errors import ReelqueueError, StateConflict, ValidationFailed
from reelqueue.jobs.drafts import DraftInput, JobDraft, fingerprint
from reelqueue.jobs.shelf import Shelf
from reelqueue.jobs.submit import JobSubmission, Seen, named_input, new_job

OPERATION: Final = "batches.create"
"""Idempotency keys are counted by tenant and operation."""
MOST_FETCHES: Final = 100
"""Different URLs that one batch has us read before it is answered."""


class BatchIntake(Protocol):
    """`store.intake.JobIntake`, as far as batches go."""

    def accept_batch(self, batch: NewBatch, news: Sequence[NewJob]) -> tuple[str, bool]:
        """Commit all or none; the batch's id, and whether it was there before."""
        ...

    def replay(self, tenant_id: str, idempotency: IdempotencyKey) -> Job | None:
        """The first job of the batch that this key made, if any. Raises IdempotencyKeyReused."""
        ...


class BatchRows(Protocol):
    """`store.batches.Batches`."""

    def find(self, tenant_id: str, batch_id: str) -> Batch:
        """One batch. Raises NotFound."""
        ...

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> list[Batch]:
        """Newest first, older than the id `before`."""
        ...

    def wish_cancel(self, tenant_id: str, batch_id: str) -> Sequence[str]:
        """Note the wish; the ids of the jobs that have not ended. Raises NotFound."""
        ...


class Cancels(Protocol):
    """`store.jobs.Jobs`, as far as it is asked here."""

    def request_cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel, or ask the worker to. Raises NotFound, StateConflict."""
        ...


class Batching:
    """`POST /v1/batches` and `…/cancel` without HTTP. Blocks: for a commit, and for input URLs up to minutes."""

    def __init__(
        self, *, submission: JobSubmission, intake: BatchIntake, batches: BatchRows, cancels: Cancels, shelf: Shelf
    ) -> None:
        self._submission = submission
        self._intake = intake
        self._batches = batches
        self._cancels = cancels
        self._shelf = shelf

    def submit(
        self, tenant_id: str, batch: NewBatch, drafts: Sequence[JobDraft], *, key: str | None = None
    ) -> tuple[Batch, bool]:
        """Commit the jobs and return their batch, and whether it was there before.

        Raises what submitting one of them raises, with a pointer to the job; then no job, no file and no row is left.
        A URL that several jobs name is read once.
        """
        idempotency = _idempotency(key, batch, drafts)
        if idempotency is not None:
            earlier = self._intake.replay(tenant_id, idempotency)
            if earlier is not None and earlier.batch_id is not None:
                return self._batches.find(tenant_id, earlier.batch_id), True
        seen = Seen()
        drafts = self._checked(tenant_id, batch, drafts, seen)
        fetches = _to_fetch(drafts)
        with (
            _at_job(fetches),
            self._submission.fetched(JobDraft(instructions=(), inputs=tuple(fetches))) as files,
            self._shelf.keeping(tenant_id, [files[place] for place in range(len(fetches))]) as kept,
        ):
            fetched = {one.url: asset for one, asset in zip(fetches, kept.assets, strict=True)}
            news = [_new(tenant_id, draft, fetched, seen.assets) for draft in drafts]
            news[0] = replace(news[0], idempotency=idempotency)
            batch_id, replayed = self._intake.accept_batch(batch, news)
            if not replayed:
                kept.named()
        return self._batches.find(tenant_id, batch_id), replayed

    def cancel(self, tenant_id: str, batch_id: str) -> Batch:
        """Cancel every job that has not ended. Repeating it goes on where it stopped. Raises NotFound."""
        for job_id in self._batches.wish_cancel(tenant_id, batch_id):
            try:
                self._cancels.request_cancel(tenant_id, job_id)
            except StateConflict:
                continue  # it ended meanwhile
        return self._batches.find(tenant_id, batch_id)

    def _checked(self, tenant_id: str, batch: NewBatch, drafts: Sequence[JobDraft], seen: Seen) -> list[JobDraft]:
        """Each job by itself, then what they name. Names that many jobs share are looked up once."""
        self._submission.check_destination(batch.webhook_url, "/webhook_url")
        checked = []
        for place, draft in enumerate(drafts):
            with _pointing_into(f"/jobs/{place}"):
                if batch.mode == "one_project" and draft.project is not None:
                    raise ValidationFailed("The project of a batch is named beside its jobs.", pointer="/project")
                whole = replace(draft, project=batch.project_id or draft.project)
                checked.append(self._submission.checked(tenant_id, whole, seen))
        return checked


def _to_fetch(drafts: Sequence[JobDraft]) -> list[DraftInput]:
    """The different URLs that are ours to read, in the order they are named first."""
    found: dict[str, DraftInput] = {}
    for place, draft in enumerate(drafts):
        for position, one in enumerate(draft.inputs):
            if one.url is not None and not one.by_upstream and one.url not in found:
                found[one.url] = replace(one, asset_id=f"/jobs/{place}/inputs/{position}")
    if len(found) > MOST_FETCHES:
        raise ValidationFailed(
            f"A batch has us read at most {MOST_FETCHES} different URLs. Make assets of them first, or say"
            ' `"fetch": "upstream"`.',
            pointer=found[list(found)[MOST_FETCHES]].asset_id,
        )
    return list(found.values())


def _new(tenant_id: str, draft: JobDraft, fetched: Mapping[str | None, NewAsset], known: Mapping[str, Asset]) -> NewJob:
    inputs = tuple(
        NewInput(asset=fetched[one.url]) if one.url in fetched and not one.by_upstream else named_input(one, known)
        for one in draft.inputs
    )
    return new_job(tenant_id, draft, inputs, None)


@contextmanager
def _pointing_into(prefix: str) -> Iterator[None]:
    try:
        yield
    except ReelqueueError as error:
        error.pointer = prefix + (error.pointer or "")
        raise


@contextmanager
def _at_job(fetches: Sequence[DraftInput]) -> Iterator[None]:
    """A URL that could not be read is told where it was named first."""
    try:
        yield
    except ReelqueueError as error:
        head, _, place = (error.pointer or "").rpartition("/")
        if head == "/inputs" and place.isdigit():
            error.pointer = fetches[int(place)].asset_id
        raise


def _idempotency(key: str | None, batch: NewBatch, drafts: Sequence[JobDraft]) -> IdempotencyKey | None:
    if key is None:
        return None
    asked = json.dumps([{**asdict(batch)}, *(fingerprint(draft, ()) for draft in drafts)], sort_keys=True, default=dict)
    return IdempotencyKey(operation=OPERATION, key=key, fingerprint=hashlib.sha256(asked.encode()).hexdigest())
