"""Finished videos of jobs: where each is kept, and what the job then knows of it."""

from __future__ import annotations

from collections.abc import Callable

from reelqueue.domain.jobs import Job
from reelqueue.domain.outputs import Result
from reelqueue.files.keys import result_key
from reelqueue.files.results import ResultSaver, SavedResult


class JobResults:
    """Keeps a job's finished video. Keeping it again after a crash puts the same file in place of itself."""

    def __init__(self, saver: ResultSaver) -> None:
        self._saver = saver

    def keep(self, job: Job, url: str, *, number: int) -> Result:
        """Fetch output `number` (from 1) from where the upstream says it lies. Raises as `ResultSaver.save`."""
        key = result_key(job.tenant_id, job.id, number=number)
        return _result(key, self._saver.save(url, key))

    def keep_stream(self, job: Job, write_into: Callable[[Callable[[bytes], object]], None], *, number: int) -> Result:
        """Keep what `write_into` writes. Raises what that raises, and as `ResultSaver.save_stream`."""
        key = result_key(job.tenant_id, job.id, number=number)
        return _result(key, self._saver.save_stream(key, write_into))


def _result(key: str, saved: SavedResult) -> Result:
    return Result(
        blob_key=key,
        sha256=saved.sha256,
        bytes=saved.bytes,
        duration_ms=saved.info.duration_ms,
        width=saved.info.width,
        height=saved.info.height,
        container=saved.info.container,
    )
