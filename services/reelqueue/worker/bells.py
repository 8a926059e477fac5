"""Ringing: one Celery message a bell, a batch of bells in one round trip."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any, Final, Self

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from redis import RedisError

from reelqueue.domain.bells import Bell
from reelqueue.jobs.dispatch_ports import BrokerDown
from reelqueue.worker.app import RECOVER, TASK_OF_QUEUE

_BLANK: Final = "\x00"
"""Stands in a form where a message's id goes, or its job's. No id has it."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What is the same in all messages of a task, as Celery writes it. Filling it in saves two fifths of a bell."""

    before: str
    after: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]

    @classmethod
    def of(cls, app: Celery, task: str) -> Self:
        """The form of one task's messages."""
        message = app.amqp.as_task_v2(_BLANK, task, args=(_BLANK,), argsrepr="", kwargsrepr="", ignore_result=True)
        before, after = dumps(message.body).split(dumps(_BLANK))
        return cls(before, after, message.headers, message.properties)

    def publish(self, producer: Producer, queue: str, row: str) -> None:
        """The message for one row."""
        message = secrets.token_hex(16)
        producer.publish(  # type: ignore[no-untyped-call]
            f"{self.before}{dumps(row)}{self.after}",
            exchange="",
            routing_key=queue,
            content_type="application/json",
            content_encoding="utf-8",
            headers=_filled(self.headers, message),
            retry=False,
            **_filled(self.properties, message),
        )


class CeleryBells:
    """Publishes bells with one producer, kept open. For one thread at a time."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._forms: dict[str, _Form] = {}

    def ring(self, bells: Sequence[Bell]) -> None:
        """Publish all bells. Raises `BrokerDown`; then some may have been rung."""
        try:
            with self._app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():
                for bell in bells:
                    self._form_of(bell).publish(producer, bell.queue.value, bell.id)
        except (OperationalError, RedisError, OSError) as error:
            raise BrokerDown(type(error).__name__) from error

    def _form_of(self, bell: Bell) -> _Form:
        task = RECOVER if bell.recovery else TASK_OF_QUEUE[bell.queue]
        form = self._forms.get(task)
        if form is None:
            form = self._forms[task] = _Form.of(self._app, task)
        return form


def _filled(form: Mapping[str, Any], message: str) -> dict[str, Any]:
    return {name: message if value == _BLANK else value for name, value in form.items()}
