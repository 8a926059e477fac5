"""Accepting a job: everything is checked, every file is durable, then one transaction; only then 202."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from reelqueue.domain.assets import Asset
from reelqueue.domain.intake import Accepted, IdempotencyKey, NewInput, NewJob
from reelqueue.domain.projects import ProjectRecord
from reelqueue.domain.sessions import ProjectState
from reelqueue.errors import NotFound, ReelqueueError, StateConflict, ValidationFailed
from reelqueue.jobs.drafts import DraftInput, JobDraft, fingerprint
from reelqueue.jobs.shelf import Kept, Shelf
from reelqueue.jobs.submit_ports import AssetRows, Egress, Fetcher, Intake, ProjectRows, ReceivedFile
from reelqueue.kit.clock import Clock
from reelqueue.kit.ids import is_id

OPERATION: Final = "jobs.create"
"""Idempotency keys are counted by tenant and operation."""
FETCHES_AT_ONCE: Final = 4
"""Of one job. Its URLs often lead to one host, which should not see twenty of us."""


@dataclass(slots=True)
class Seen:
    """What the jobs of one batch have named so far, and was found to be all right."""

    inputs: set[DraftInput] = field(default_factory=set)
    urls: set[str | None] = field(default_factory=set)
    projects: dict[str, ProjectRecord] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)


class JobSubmission:
    """`POST /v1/jobs` without HTTP. Blocks: for a commit, and for input URLs up to minutes."""

    def __init__(
        self,
        *,
        intake: Intake,
        assets: AssetRows,
        shelf: Shelf,
        fetcher: Fetcher,
        egress: Egress,
        projects: ProjectRows,
        clock: Clock,
        most_inputs: int,
    ) -> None:
        self._intake = intake
        self._assets = assets
        self._shelf = shelf
        self._fetcher = fetcher
        self._egress = egress
        self._projects = projects
        self._clock = clock
        self._most_inputs = most_inputs

    def submit(
        self,
        tenant_id: str,
        draft: JobDraft,
        *,
        files: Sequence[ReceivedFile] = (),
        key: str | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> Accepted:
        """Commit a job and return it; for a repeat under the same key, return the job of the first time.

        `idempotency` takes the place of `key` where the request was another one than to make a job.

        The files are kept or discarded, whatever happens. What is refused leaves no row and no file. Raises what the
        checks raise, with a pointer to the input; IdempotencyKeyReused; StorageFull; DependencyUnavailable, after
        which only a repeat under the same key tells whether the job exists.
        """
        with _discarding(files):
            self._check_alone(draft, files)
            idempotency = idempotency or _idempotency(key, draft, files)
            # A look before costly work. It also finds out whether the database answers before any file is kept.
            if idempotency is not None:
                earlier = self._intake.replay(tenant_id, idempotency)
                if earlier is not None:
                    return Accepted(job=earlier, replayed=True)
            known = self._known_assets(tenant_id, draft)
            draft = self._in_project(tenant_id, draft, {})
            self._check_destinations(draft)
            with self.fetched(draft) as fetched:
                return self._accept(
                    tenant_id, draft, known=known, fetched=fetched, files=files, idempotency=idempotency
                )

    def plain(self, tenant_id: str, draft: JobDraft, *, key: str | None = None) -> NewJob | None:
        """The job to commit as it is, or `None` if something must be looked up, fetched or resolved first: `submit`.

        Touches nothing. Raises ValidationFailed.
        """
        if draft.inputs or draft.webhook_url is not None or draft.project is not None:
            return None
        self._check_alone(draft, ())
        return new_job(tenant_id, draft, (), _idempotency(key, draft, ()))

    def checked(self, tenant_id: str, draft: JobDraft, seen: Seen) -> JobDraft:
        """The draft of one job among many, with what its project says of it.

        What another one named before is not looked up again. Raises what `submit` raises before it fetches.
        """
        self._check_alone(draft, ())
        unseen = tuple(one for one in draft.inputs if one not in seen.inputs)
        if any(one.asset_id is not None for one in unseen):
            seen.assets.update(self._known_assets(tenant_id, draft))
        draft = self._in_project(tenant_id, draft, seen.projects)
        webhook_url = None if draft.webhook_url in seen.urls else draft.webhook_url
        self._check_destinations(replace(draft, inputs=unseen, webhook_url=webhook_url))
        seen.inputs.update(unseen)
        seen.urls.add(draft.webhook_url)
        return draft

    def check_whole(self, tenant_id: str, draft: JobDraft, files: Sequence[ReceivedFile]) -> None:
        """What `submit` checks before it looks at any one input. Raises as it does."""
        self._check_alone(draft, files)
        self._in_project(tenant_id, draft, {})
        self.check_destination(draft.webhook_url, "/webhook_url")

    def check_destination(self, url: str | None, pointer: str) -> None:
        """That a URL that is to be called later may be called. Raises with this pointer."""
        if url is not None:
            with _pointing_to(pointer):
                self._egress.check(url)

    def _check_alone(self, draft: JobDraft, files: Sequence[ReceivedFile]) -> None:
        """What needs nobody else to be decided."""
        if len(draft.inputs) + len(files) > self._most_inputs:
            raise ValidationFailed(f"A job takes at most {self._most_inputs} inputs.", pointer="/inputs")
        for pointer, moment in (("/start_by", draft.start_by), ("/finish_by", draft.finish_by)):
            if moment is not None and moment <= self._clock.now():
                raise ValidationFailed("This time has passed.", pointer=pointer)
        if draft.start_by is not None and draft.finish_by is not None and draft.start_by > draft.finish_by:
            raise ValidationFailed("The work would have to be done before it begins.", pointer="/start_by")

    def _known_assets(self, tenant_id: str, draft: JobDraft) -> dict[str, Asset]:
        """The assets that are named, by id. Asks the database even if there is none: see `submit`."""
        named = [(place, one.asset_id) for place, one in enumerate(draft.inputs) if one.asset_id is not None]
        for place, asset_id in named:
            if not is_id(asset_id, "asset"):
                raise NotFound(pointer=f"/inputs/{place}")
        try:
            found = self._assets.find_many(tenant_id, [asset_id for _, asset_id in named])
        except NotFound as error:
            place, _ = named[int((error.pointer or "/0").removeprefix("/"))]
            raise NotFound(pointer=f"/inputs/{place}") from error
        return {asset.id: asset for asset in found}

    def _in_project(self, tenant_id: str, draft: JobDraft, known: dict[str, ProjectRecord]) -> JobDraft:
        """The draft with what its project says of it. Raises NotFound, and StateConflict where its session is gone."""
        if draft.project is None:
            return draft
        if not is_id(draft.project, "project"):
            raise NotFound(pointer="/project")
        with _pointing_to("/project"):
            project = known.get(draft.project) or self._projects.find(tenant_id, draft.project)
            known[draft.project] = project
            if project.state is ProjectState.LOST:
                raise StateConflict("The session of this project is gone; its versions can still be exported.")
        return replace(draft, language=draft.language or project.language)

    def _check_destinations(self, draft: JobDraft) -> None:
        """That what is to be called later may be called. A URL that we fetch now is checked by fetching it."""
        self.check_destination(draft.webhook_url, "/webhook_url")
        for place, one in enumerate(draft.inputs):
            if one.by_upstream:
                self.check_destination(one.url, f"/inputs/{place}")

    @contextmanager
    def fetched(self, draft: JobDraft) -> Iterator[dict[int, ReceivedFile]]:
        """The files at the URLs that are ours to fetch, by place; discarded at the end unless they were kept."""
        wanted = [(place, one) for place, one in enumerate(draft.inputs) if one.url is not None and not one.by_upstream]
        if not wanted:
            yield {}
            return
        with ExitStack() as received:
            workers = min(FETCHES_AT_ONCE, len(wanted))
            with ThreadPoolExecutor(workers, thread_name_prefix="fetch-input") as pool:
                futures = {place: pool.submit(self._fetch_one, place, one) for place, one in wanted}
                for future in futures.values():
                    if future.exception() is not None:
                        pool.shutdown(wait=False, cancel_futures=True)
                        break
            for future in futures.values():
                if not future.cancelled() and future.exception() is None:
                    received.callback(future.result().spooled.discard)
            for future in futures.values():
                if not future.cancelled():
                    future.result()
            yield {place: future.result() for place, future in futures.items()}

    def _fetch_one(self, place: int, one: DraftInput) -> ReceivedFile:
        assert one.url is not None
        with _pointing_to(f"/inputs/{place}"):
            return self._fetcher.fetch(one.url)

    def _accept(
        self,
        tenant_id: str,
        draft: JobDraft,
        *,
        known: Mapping[str, Asset],
        fetched: dict[int, ReceivedFile],
        files: Sequence[ReceivedFile],
        idempotency: IdempotencyKey | None,
    ) -> Accepted:
        arrived = (*fetched.values(), *files)
        with self._shelf.keeping(tenant_id, arrived) as kept:
            inputs = _new_inputs(draft, known=known, fetched_places=tuple(fetched), kept=kept)
            accepted = self._intake.accept(new_job(tenant_id, draft, inputs, idempotency))
            # A replayed job has rows already: they name these files, or other bytes that a URL gave then.
            if not accepted.replayed:
                kept.named()
            return accepted


def _idempotency(key: str | None, draft: JobDraft, files: Sequence[ReceivedFile]) -> IdempotencyKey | None:
    if key is None:
        return None
    # Of the bytes as they were sent: what a repair makes of them may change with the next version of a library.
    asked = fingerprint(draft, (file.source_sha256 for file in files))
    return IdempotencyKey(operation=OPERATION, key=key, fingerprint=asked)


def named_input(one: DraftInput, known: Mapping[str, Asset]) -> NewInput:
    """An input that brings no file: an asset, with what was done to it when it was kept, or a URL left to NemoVideo."""
    asset = known.get(one.asset_id or "")
    return NewInput(asset_id=one.asset_id, url=one.url, repairs=() if asset is None else asset.repairs)


def _new_inputs(
    draft: JobDraft, *, known: Mapping[str, Asset], fetched_places: Sequence[int], kept: Kept
) -> tuple[NewInput, ...]:
    """The inputs in the order they were named, then the uploaded files in the order they came."""
    fetched = dict(zip(fetched_places, kept.assets, strict=False))
    uploaded = kept.assets[len(fetched_places) :]
    listed = (
        NewInput(asset=fetched[place]) if place in fetched else named_input(one, known)
        for place, one in enumerate(draft.inputs)
    )
    return (*listed, *(NewInput(asset=asset) for asset in uploaded))


def new_job(
    tenant_id: str, draft: JobDraft, inputs: tuple[NewInput, ...], idempotency: IdempotencyKey | None
) -> NewJob:
    """The job of a draft that passed every check, with its inputs as they came."""
    return NewJob(
        tenant_id=tenant_id,
        instructions=draft.instructions,
        inputs=inputs,
        outputs=draft.outputs,
        language=draft.language,
        metadata=draft.metadata,
        external_id=draft.external_id,
        customer=draft.customer,
        webhook_url=draft.webhook_url,
        finish_by=draft.finish_by,
        start_by=draft.start_by,
        priority=draft.priority,
        policies=draft.policies,
        project_id=draft.project,
        idempotency=idempotency,
    )


@contextmanager
def _discarding(files: Sequence[ReceivedFile]) -> Iterator[None]:
    """At the end, remove what no store has taken."""
    with ExitStack() as stack:
        for file in files:
            stack.callback(file.spooled.discard)
        yield


@contextmanager
def _pointing_to(pointer: str) -> Iterator[None]:
    """Say in an error which member of the request it is about."""
    try:
        yield
    except ReelqueueError as error:
        error.pointer = pointer
        raise
