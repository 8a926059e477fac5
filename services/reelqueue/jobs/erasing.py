"""Carrying out erasures: rows in a dispatcher, files in a gateway, each a little at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Final, Protocol

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.erasures import ErasureClaim, ErasureState
from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.logs import get_logger

AGAIN_S: Final = 2.0
"""Between two looks at what still runs, and between two looks for an erasure at all."""
BREATH_S: Final = 0.05
"""Between two parcels of rows, which leaves the database to the others most of the time."""
FILES: Final = 500

log = get_logger(__name__)


class ErasureStore(Protocol):
    """`store.erasures.Erasures`."""

    def claim(self, states: Collection[ErasureState]) -> ErasureClaim | None:
        """The erasure that is due."""
        ...

    def put_off(self, claim: ErasureClaim, seconds: float) -> None:
        """Let the claim go."""
        ...

    def end_some(self, claim: ErasureClaim) -> bool:
        """Whether all has ended. Raises ClaimLost."""
        ...

    def drop_some(self, claim: ErasureClaim) -> bool:
        """Whether no row is left. Raises ClaimLost."""
        ...

    def note_files(self, claim: ErasureClaim, number: int) -> None:
        """Count files. Raises ClaimLost."""
        ...

    def finish(self, claim: ErasureClaim) -> None:
        """Complete the certificate. Raises ClaimLost."""
        ...


class StoredFile(Protocol):
    """One file as a listing shows it."""

    @property
    def key(self) -> str:
        """Its key."""
        ...


class Files(Protocol):
    """`files.blobs.BlobStore`."""

    def stored(self, prefix: str) -> Iterator[StoredFile]:
        """The files whose key begins so."""
        ...

    def delete(self, key: str) -> None:
        """Forget one."""
        ...


class RowEraser:
    """Ends a tenant's work and deletes its rows. Any number may run."""

    def __init__(self, store: ErasureStore) -> None:
        self._store = store

    def step(self) -> float:
        """Take one step of the erasure that is due, if any. Returns how long to wait before the next, in seconds."""
        claim = self._store.claim((ErasureState.ENDING, ErasureState.ROWS))
        if claim is None:
            return AGAIN_S
        try:
            if claim.state is ErasureState.ENDING:
                over = self._store.end_some(claim)
                self._store.put_off(claim, 0 if over else AGAIN_S)
            elif not self._store.drop_some(claim):
                self._store.put_off(claim, 0)
        except ClaimLost:
            log.warning("erasure.claim_lost", tenant=claim.tenant_id)
        return BREATH_S

    def run(self, stopped: threading.Event) -> None:
        """Step until `stopped`. A database that is away is waited for."""
        pause = 0.0
        while not stopped.wait(pause):
            try:
                pause = self.step()
            except DependencyUnavailable as error:
                log.warning("erasure.database_lost", error=str(error))
                pause = AGAIN_S
            except Exception:
                # The claim runs out, and the step is tried again; whoever reads the log can see why it does not move.
                log.exception("erasure.step_crashed")
                pause = 10 * AGAIN_S


class FileEraser:
    """Deletes the files of tenants whose rows are gone. Any number may run."""

    def __init__(self, store: ErasureStore, files: Files, prefix_of: Callable[[str], str]) -> None:
        self._store = store
        self._files = files
        self._prefix_of = prefix_of

    def run(self) -> int:
        """Take the files of one erasure that is due, if any. Returns how many were deleted.

        Raises `DependencyUnavailable`; then the rest is taken once the claim has run out.
        """
        claim = self._store.claim((ErasureState.FILES,))
        if claim is None:
            return 0
        deleted = 0
        try:
            while keys := [one.key for one in islice(self._files.stored(self._prefix_of(claim.tenant_id)), FILES)]:
                for key in keys:
                    self._files.delete(key)
                deleted += len(keys)
                self._store.note_files(claim, len(keys))
            self._store.finish(claim)
        except ClaimLost:
            log.warning("erasure.claim_lost", tenant=claim.tenant_id)
        return deleted
