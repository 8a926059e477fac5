"""The thread of a worker that looks at balances now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.logs import get_logger

EVERY_S: Final = 15.0

log = get_logger(__name__)


class BalanceRounds:
    """Rounds of `BalanceWatch.run` until `stop`. What goes wrong in one is logged, and the next one comes."""

    def __init__(self, look: Callable[[], int], *, every_s: float = EVERY_S) -> None:
        self._look = look
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="balances", daemon=True)

    def start(self) -> None:
        """Begin, with a pause."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further round. One that is under way ends by itself."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self._look()
            except DependencyUnavailable as error:
                log.warning("balances.database_lost", error=str(error))
            except Exception:
                log.exception("balances.round_crashed")
