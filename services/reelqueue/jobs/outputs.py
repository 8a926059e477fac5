"""One output of a job is done or has failed: what to write, whom to tell, and how the job ends when all are.

A job of several outputs succeeds only if each did. What one has come to is kept and told by an event of its own, so a
failure loses nobody else's result. With a single output the job's own end says it all.
"""

from __future__ import annotations

from dataclasses import replace

from reelqueue.domain.event_data import exported_data
from reelqueue.domain.jobs import EventType, Job, Status
from reelqueue.domain.outputs import RENDERED, Export, ExportError, Result
from reelqueue.domain.verdicts import NOTHING, Advance, Fail, Learned, Verdict
from reelqueue.errors import DeadlineExceeded, ReelqueueError, RenderFailed, class_of_code


def exports_of(job: Job) -> tuple[Export, ...]:
    """How far each output is."""
    return tuple(job.export(index) for index in range(len(job.outputs)))


def output_failed(job: Job, index: int, cause: ReelqueueError) -> Verdict:
    """Give up one output; the job too, if it has no other."""
    error = ExportError(code=cause.code, message=cause.message, link=cause.detail.get("link"))
    settled = _settled(job, index, replace(job.export(index), error=error))
    learned = Learned(exports=settled.exports)
    return Fail(cause, learned) if len(job.outputs) == 1 else _told(settled, index, learned)


def output_saved(job: Job, index: int, result: Result) -> Verdict:
    """One output's file is kept; the job is done, if it has no other."""
    settled = _settled(job, index, Export(progress=RENDERED, result=result))
    learned = Learned(result=result if job.result is None else None, exports=settled.exports)
    if len(job.outputs) == 1:
        return _stopped_short(job, learned) or Advance(Status.SUCCEEDED, replace(learned, progress=100))
    return _told(settled, index, learned)


def all_settled(job: Job) -> Verdict:
    """How a job ends of whose outputs none is open."""
    for export in exports_of(job):
        if export.error is not None:
            return Fail(_cause(export.error))
    return _stopped_short(job, NOTHING) or Advance(Status.SUCCEEDED)


def _stopped_short(job: Job, learned: Learned) -> Verdict | None:
    """How a job ends whose deadline stopped it between two turns: what was paid for by then is exported."""
    if job.finish_by is not None and job.instruction_index < len(job.instructions):
        return Fail(DeadlineExceeded(), learned)
    return None


def _cause(error: ExportError) -> ReelqueueError:
    """The error as it was when the output was given up."""
    known = class_of_code(error.code) or RenderFailed
    return known(error.message, detail=None if error.link is None else {"link": error.link})


def _settled(job: Job, index: int, export: Export) -> Job:
    exports = list(exports_of(job))
    exports[index] = export
    return replace(job, exports=tuple(exports))


def _told(job: Job, index: int, learned: Learned) -> Advance:
    return Advance(job.status, learned, exported_data(job, index), event=EventType.EXPORTED)
