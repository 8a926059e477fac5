"""One worker process: Celery's `threads` pool with a lease beside it.

SIGTERM drains: nothing new is taken, what runs runs to its end, and the lease is renewed until then. A live paid
stream is never cut by us, so give a `stream` worker sixteen minutes to stop.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence

from celery import signals

from reelqueue.domain.channels import CANCEL
from reelqueue.domain.jobs import Queue
from reelqueue.jobs.live_turns import LiveTurns
from reelqueue.kit.logs import get_logger
from reelqueue.wiring.services import Services
from reelqueue.wiring.worker import build_worker
from reelqueue.worker.app import make_app
from reelqueue.worker.balances import BalanceRounds
from reelqueue.worker.tasks import register

log = get_logger(__name__)


def run_worker(services: Services, *, queues: Sequence[Queue], threads: int) -> int:
    """Work until SIGTERM or SIGINT, then drain. Returns the exit code.

    For the main thread: Celery sets signal handlers.
    """
    node = f"{'-'.join(queues)}.{os.getpid()}@{socket.gethostname()}"
    worker = build_worker(services, node=node, queues=queues, capacity=threads)
    app = make_app(services.settings.redis_url.get_secret_value())
    register(app, runner=worker.runner, deliverer=worker.deliverer, recoverer=worker.recoverer)
    if services.settings.nemo.token is not None:
        # Safe to repeat: the same token gives the row that is there.
        services.tokens.add(None, services.settings.nemo.token.get_secret_value(), label="NEMO_TOKEN")
    worker.lease.start(worker.live.cancel)
    stop_listening = _listen_for_cancels(services, worker.live)
    stopped = threading.Event()
    threading.Thread(target=services.watch.keep_fresh, args=(stopped,), name="breakers", daemon=True).start()
    balances = BalanceRounds(services.balance_watch.run)
    balances.start()

    def drain(**_: object) -> None:
        worker.lease.drain()

    signals.worker_shutting_down.connect(drain, weak=False)
    services.metrics.streams.set_function(lambda: len(worker.live))
    if services.settings.metrics_port is not None:
        services.metrics.serve(services.settings.metrics_port)
    log.info("worker.started", worker=worker.lease.worker_id, node=node, queues=list(queues), threads=threads)
    celery_worker = app.Worker(
        hostname=node,
        pool="threads",
        concurrency=threads,
        queues=",".join(queues),
        loglevel=services.settings.log_level.upper(),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    try:
        celery_worker.start()
    finally:
        stopped.set()
        balances.stop()
        stop_listening()
        worker.lease.stop()
        services.close()
    log.info("worker.stopped", node=node)
    return int(celery_worker.exitcode or 0)


def _listen_for_cancels(services: Services, live: LiveTurns) -> Callable[[], None]:
    """Hear of cancels at once. A notice that is missed comes with the next heartbeat."""
    notices = services.notices(CANCEL)

    def listen() -> None:
        for notice in notices.listen():
            if notice is not None and notice.payload:
                live.cancel(notice.payload)

    threading.Thread(target=listen, name="cancels", daemon=True).start()
    return notices.close
