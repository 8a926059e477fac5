"""Structured logs: one wide line for each thing that happened, named `noun.verb_past`, with every secret scrubbed.

The scrubbing is the last processor, so that it sees all that would be written, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Final, TextIO

import structlog

LONGEST_VALUE: Final = 4_000
HIDDEN: Final = "[secret]"

_SECRET_TEXT: Final = re.compile(
    r"(nmv_[a-z]+_[A-Za-z0-9._~+/=-]+|clm_[A-Za-z0-9._~+/=-]+|whs(?:ec|k)_[A-Za-z0-9+/=]+"
    r"|rq_[0-9a-z]{26}_[0-9A-Za-z]+|(?i:bearer)\s+[A-Za-z0-9._~+/=-]+|(?<=://)[^/\s:@]*:[^/\s@]+(?=@))"
)
_MARKS: Final = ("nmv_", "clm_", "whsec_", "whsk_", "rq_", "bearer", "://")
_SECRET_NAME: Final = re.compile(r"(token|secret|password|authorization|api_key|cookie)s?$", re.IGNORECASE)
_BREAKS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def scrub(text: str) -> str:
    """The text without anything that looks like one of our secrets, NemoVideo's, or a password in a URL."""
    small = text.lower()
    # Each of these is in whatever the pattern finds, and looking for them takes a tenth of its time.
    if "_" not in small and "bearer" not in small and "://" not in small:
        return text
    if not any(mark in small for mark in _MARKS):
        return text
    return _SECRET_TEXT.sub(HIDDEN, text)


@lru_cache(512)
def _names_a_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _clean(key: str, value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if _names_a_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(str(k)): _clean(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, item) for item in value]
    return _text(str(value))


def _text(value: str) -> str:
    text = scrub(value)
    if not text.isprintable():
        text = _BREAKS.sub(" ", text)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _scrub_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _clean(key, value) for key, value in event.items()}


def configure_logs(*, process: str, style: str = "json", level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for this process, once, at its start. Other libraries' records go the same way."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False)
        if style == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )

    def name_process(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not a context variable: threads begin with none.
        event.setdefault("process", process)
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _scrub_event,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in (
        "httpx",
        "httpcore",
        "kombu",
        "amqp",
        "celery.redirected",
        "celery.app.trace",
        "celery.worker.strategy",
        "uvicorn.access",
        "alembic",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.clear_contextvars()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Give it fields, not sentences: `log.info("job.claimed", job=job_id)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
