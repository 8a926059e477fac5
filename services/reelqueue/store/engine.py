"""The connection pool, and the one place where a broken database becomes `DependencyUnavailable`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, exc, make_url

from reelqueue.errors import DependencyUnavailable
from reelqueue.store.storable import dumps

CONNECT_TIMEOUT_S = 5
RETRY_AFTER_S = 2.0
KEEPALIVES: Final[Mapping[str, Any]] = MappingProxyType(
    {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
)
"""A peer that vanished without a word is noticed within half a minute."""


def make_engine(url: str, *, pool_size: int = 10, application: str = "reelqueue") -> Engine:
    """An engine for a libpq or SQLAlchemy URL.

    Connections are held for the length of a transaction only, so that ten serve thousands of threads. A connection
    that died in the pool is replaced when it is next taken.
    """
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        pool_pre_ping=False,
        pool_recycle=1800,
        json_serializer=dumps,
        # Parameters hold secrets and what tenants wrote; an exception must not carry them into a log.
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": application,
            "options": "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s",
            **KEEPALIVES,
        },
    )


class Database:
    """Hands out transactions. Two kinds: `transaction` for several statements, `statement` for one that commits itself.

    Both raise `DependencyUnavailable` when the database cannot be reached or gives up in between. After that nothing
    is known of a commit that was under way: callers write so that finding out, or doing it again, is safe.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: commits at the end of the block, rolls back on any exception."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction of its own: one round trip instead of three."""
        with _translated(), self._autocommit.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the pool."""
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise DependencyUnavailable("The database does not answer.", retry_after=RETRY_AFTER_S) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise DependencyUnavailable("The database does not answer.", retry_after=RETRY_AFTER_S) from error
        raise
