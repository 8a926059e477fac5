"""Ringing: one Celery message a bell, a batch of bells in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from reelqueue.domain.bells import Bell
from reelqueue.jobs.dispatch_ports import BrokerDown
from reelqueue.worker.app import RECOVER, TASK_OF_QUEUE


class CeleryBells:
    """Publishes bells with one producer, kept open. For one thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, bells: Sequence[Bell]) -> None:
        """Publish all bells. Raises `BrokerDown`; then some may have been rung."""
        try:
            with self._app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():
                for bell in bells:
                    self._app.send_task(
                        RECOVER if bell.recovery else TASK_OF_QUEUE[bell.queue],
                        args=(bell.id,),
                        queue=bell.queue.value,
                        producer=producer,
                        retry=False,
                        ignore_result=True,
                    )
        except (OperationalError, RedisError, OSError) as error:
            raise BrokerDown(type(error).__name__) from error
