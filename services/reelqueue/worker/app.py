"""The Celery application: every setting that differs from Celery's own has its reason beside it."""

from __future__ import annotations

from typing import Any, Final

from celery import Celery

TASK_OF_QUEUE: Final = {"step": "reelqueue.work", "stream": "reelqueue.work", "webhook": "reelqueue.deliver"}
RECOVER: Final = "reelqueue.recover"
"""The task of a bell for a job that has ended, on its queue as any other."""

SETTINGS: Final[dict[str, Any]] = {
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    # Early: a bell that is lost with its worker is rung again by the sweep; a late one would be rung twice.
    "task_acks_late": False,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_default_queue": "step",
    "task_create_missing_queues": True,
    # A message nobody has a thread for stays in the broker, where another worker can take it.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # A blip of the broker must not cut a paid stream.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "visibility_timeout": 3600,
        "max_connections": 200,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        # No `retry_on_timeout`: bells would then be published one by one, since no pipeline is repeated blindly.
        "socket_keepalive": True,
    },
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    "enable_utc": True,
}


def make_app(redis_url: str) -> Celery:
    """An application bound to a broker. Importing this module makes none."""
    app = Celery("reelqueue", broker=redis_url, set_as_current=False)
    app.conf.update(SETTINGS)
    return app
