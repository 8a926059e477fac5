"""The connection pool, and the one place where a broken database becomes `DependencyUnavailable`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url

from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.acting import EVERYBODY, NOBODY, acting
from reelqueue.kit.logs import get_logger
from reelqueue.store.roles import APP_ROLE
from reelqueue.store.storable import dumps

CONNECT_TIMEOUT_S = 5
RETRY_AFTER_S = 2.0
KEEPALIVES: Final[Mapping[str, Any]] = MappingProxyType(
    {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
)
"""A peer that vanished without a word is noticed within half a minute."""
_WHOSE: Final = "reelqueue.tenant"
"""The setting that the policies read, and in `Connection.info` what it is known to be."""

_log = get_logger(__name__)


class RoleRefused(DependencyUnavailable):
    """The role that we work as is not there, or not for this login."""


def make_engine(
    url: str,
    *,
    pool_size: int = 10,
    application: str = "reelqueue",
    role: str | None = APP_ROLE,
    whose: str = NOBODY,
) -> Engine:
    """An engine for a libpq or SQLAlchemy URL.

    Connections are held for the length of a transaction only, so that ten serve thousands of threads. A connection
    that died in the pool is replaced when it is next taken.

    Each connection assumes `role` before its first statement; `None` stays the login role, for migrations. `whose`:
    for whom it works where nobody has said.
    """
    options = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s"
    if role is not None:
        options += f" -c role={role}"
    if whose:
        options += f" -c {_WHOSE}={whose}"
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        pool_pre_ping=False,
        pool_recycle=1800,
        json_serializer=dumps,
        # Parameters hold secrets and what tenants wrote; an exception must not carry them into a log.
        hide_parameters=True,
        execution_options={_WHOSE: whose},
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": application,
            "options": options,
            **KEEPALIVES,
        },
    )

    def remember(_: Any, record: Any) -> None:
        record.info[_WHOSE] = whose

    event.listen(engine, "connect", remember)
    return engine


class Database:
    """Hands out transactions. Two kinds: `transaction` for several statements, `statement` for one that commits itself.

    Both raise `DependencyUnavailable` when the database cannot be reached or gives up in between. After that nothing
    is known of a commit that was under way: callers write so that finding out, or doing it again, is safe.

    The policies of `walls.py` let through the rows of whom `kit.acting` names, else of whom the engine was made for.
    """

    def __init__(self, engine: Engine, *, always: str | None = None) -> None:
        """`always`: for whom, whatever anybody says."""
        self.engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._always = always
        self._unsaid: str = engine.get_execution_options()[_WHOSE]

    def as_service(self) -> Database:
        """The same pool, for work that belongs to no one tenant: it sees and writes the rows of all."""
        return Database(self.engine, always=EVERYBODY)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: commits at the end of the block, rolls back on any exception."""
        with _translated(), self.engine.connect() as connection:
            whose = self._whose()
            if connection.info.get(_WHOSE) != whose:
                # Before the transaction and not in it: a rollback would take it back, and we would not know.
                connection.execution_options(isolation_level="AUTOCOMMIT")
                _tell(connection, whose)
                connection.commit()
                connection.execution_options(isolation_level=connection.default_isolation_level)
            with connection.begin():
                yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction of its own: one round trip instead of three."""
        with _translated(), self._autocommit.connect() as connection:
            whose = self._whose()
            if connection.info.get(_WHOSE) != whose:
                _tell(connection, whose)
            yield connection

    def _whose(self) -> str:
        said = acting() if self._always is None else self._always
        return self._unsaid if said is None else said

    def dispose(self) -> None:
        """Close the pool."""
        self.engine.dispose()


def widen(connection: Connection) -> None:
    """Go on as the service to the end of this transaction, for figures that are of all tenants."""
    connection.exec_driver_sql(f"SELECT set_config('{_WHOSE}', '{EVERYBODY}', true)")


def _tell(connection: Connection, whose: str) -> None:
    """Tell a session that commits each statement by itself whose rows it may see."""
    connection.info[_WHOSE] = None
    connection.exec_driver_sql(f"SELECT set_config('{_WHOSE}', %s, false)", (whose,))
    connection.info[_WHOSE] = whose


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        # Refused at the door, the server gives no code. Its words may be in any language; the name is the same in all.
        if f'"{APP_ROLE}"' in str(error):
            _log.error("database.role_refused", role=APP_ROLE, fix="Run `reelqueue migrate`; see docs/operations.md.")
            raise RoleRefused("The database does not answer.", retry_after=RETRY_AFTER_S) from error
        raise DependencyUnavailable("The database does not answer.", retry_after=RETRY_AFTER_S) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise DependencyUnavailable("The database does not answer.", retry_after=RETRY_AFTER_S) from error
        raise
