"""Numbering what was told as soon as it has committed: a loop beside the dispatcher's."""

from __future__ import annotations

import threading
from typing import Final, Protocol

from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.limits import SWEEP_S
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

AGAIN_S: Final = 1.0
"""How long to leave a database alone that does not answer."""

log = get_logger(__name__)


class Numbering(Protocol):
    """`store.sequencer.Sequencer`."""

    def run_once(self) -> int:
        """Number some events; how many. Zero: there were none."""
        ...


class Sequencing:
    """Runs a sequencer whenever something was told. Any number may run: they take turns."""

    def __init__(self, numbering: Numbering, *, metrics: Metrics) -> None:
        self._numbering = numbering
        self._metrics = metrics
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def wake(self) -> None:
        """Something was told. Any thread; any number of calls are one."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` after the events that it is at."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        """Number until `stop`. A notice that was lost costs one sweep."""
        while not self._stopped.is_set():
            self._wake.clear()
            pause = SWEEP_S
            try:
                while numbered := self._numbering.run_once():
                    self._metrics.events_numbered.inc(numbered)
            except DependencyUnavailable as error:
                log.warning("feed.database_lost", error=str(error))
                pause = AGAIN_S
            except Exception:
                # What cannot be numbered now is tried again; meanwhile jobs go on.
                log.exception("feed.numbering_crashed")
                pause = AGAIN_S
            self._wake.wait(pause)
