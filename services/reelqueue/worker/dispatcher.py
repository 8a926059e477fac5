"""The dispatcher process: the loop, woken by the database, ringing through Celery."""

from __future__ import annotations

import signal
import threading

from reelqueue.domain.channels import EVENT, WORK
from reelqueue.jobs.dispatcher import Dispatcher
from reelqueue.jobs.ledger_check import LedgerCheck
from reelqueue.jobs.sequencing import Sequencing
from reelqueue.kit.logs import get_logger
from reelqueue.wiring.services import Services
from reelqueue.worker.app import make_app
from reelqueue.worker.bells import CeleryBells

log = get_logger(__name__)


def run_dispatcher(services: Services) -> int:
    """Dispatch until SIGTERM or SIGINT. Returns the exit code. For the main thread."""
    bells = CeleryBells(make_app(services.settings.redis_url.get_secret_value()))
    dispatcher = Dispatcher(
        store=services.dispatch,
        sweep=services.sweep,
        gate=services.breakers,
        bells=bells,
        clock=services.clock,
        metrics=services.metrics,
        forget_expired=(
            services.intake.forget_expired_keys,
            services.workers.forget_gone,
            services.erasures.forget_old_spending,
            services.webhook_secrets.forget_expired,
        ),
        checks=(
            LedgerCheck(services.accounts, clock=services.clock, metrics=services.metrics).run,
            services.expiring.tell,
        ),
    )
    sequencing = Sequencing(services.sequencer, metrics=services.metrics)
    stopped = threading.Event()
    notices = services.notices(WORK, EVENT)

    def listen() -> None:
        for notice in notices.listen():
            if notice is None:
                continue
            if notice.channel != WORK:
                sequencing.wake()
            if notice.channel != EVENT:
                dispatcher.wake()

    threading.Thread(target=listen, name="wakes", daemon=True).start()
    threading.Thread(target=sequencing.run, name="numbers", daemon=True).start()
    # A thread of its own: however long a tenant takes to erase, nobody waits for his turn because of it.
    threading.Thread(target=services.row_eraser.run, args=(stopped,), name="erases", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: dispatcher.stop())
    if services.settings.metrics_port is not None:
        services.metrics.serve(services.settings.metrics_port)
    log.info("dispatcher.started")
    try:
        dispatcher.run()
    finally:
        stopped.set()
        sequencing.stop()
        notices.close()
        services.close()
    log.info("dispatcher.stopped")
    return 0
