"""The role that the service works as, and what only a cluster knows of it.

Superusers and roles with `BYPASSRLS` walk through policies, and an owner may take them down, so the service is none of
these while it works: it logs in as whoever the database's URL names and assumes `reelqueue_app` at once. Roles belong
to a cluster and not to a database, and a dump of a database does not carry them: `reelqueue migrate` looks after them
each time, before the first revision.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, TextClause, exc, text

APP_ROLE: Final = "reelqueue_app"
TRIES: Final = 5

BY_HAND: Final = f"""\
CREATE ROLE {APP_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
GRANT {APP_ROLE} TO the_login_role;"""
"""What someone who may create roles has to run where `reelqueue migrate` may not."""

_MISSING = text("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
_TOO_MIGHTY = text("SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = :role")
# Before 16 membership was the right to SET ROLE; since then it need not be.
_MAY_ASSUME = text(
    "SELECT pg_has_role(:role, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER'"
    " ELSE 'SET' END)"
)
_IS_SUPERUSER = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
_CONTAINS: Final = "pg_catalog.jsonb_contains(jsonb, jsonb)"


class RoleUnusable(Exception):
    """The role is not there and may not be made by us, or it could do what it must not. The message says what to do."""


def prepare_role(connection: Connection) -> None:
    """See to it that the role is there and that the login role may assume it. Raises `RoleUnusable`.

    Safe to repeat, and at the same time as in other databases of the cluster. Commits.
    """
    if _asks(connection, _MISSING):
        _try(connection, f"CREATE ROLE {APP_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
    if _asks(connection, _TOO_MIGHTY):
        raise RoleUnusable(f"The role {APP_ROLE} is superuser, BYPASSRLS or CREATEROLE: no policy would hold for it.")
    if not _asks(connection, _MAY_ASSUME):
        _try(connection, f"GRANT {APP_ROLE} TO CURRENT_USER")
    connection.rollback()


def leakproof(connection: Connection) -> None:
    """Let a search by metadata use its index in spite of policies, where we may. Safe to repeat. Commits.

    Before a policy has let a row through, PostgreSQL runs only functions on it that are marked as giving nothing away,
    and looks conditions up in an index for no others. `@>` on JSON has no such mark, though it raises nothing and
    tells nothing. Only a superuser can set it. Without it a search by metadata reads the tenant's jobs one by one.
    """
    if connection.execute(_IS_SUPERUSER).scalar():
        _try(connection, f"ALTER FUNCTION {_CONTAINS} LEAKPROOF")
    connection.rollback()


def _asks(connection: Connection, question: TextClause) -> bool:
    return bool(connection.execute(question, {"role": APP_ROLE}).scalar())


def _try(connection: Connection, statement: str) -> None:
    """Another database's migration may do the same at the same moment: then one of the two is refused, and it is done.

    PostgreSQL calls that a duplicate, or a tuple that was updated concurrently.
    """
    for left in reversed(range(TRIES)):
        try:
            connection.exec_driver_sql(statement)
            connection.commit()
        except exc.DBAPIError as error:
            connection.rollback()
            state = getattr(error.orig, "sqlstate", None)
            if state == "42501":
                raise RoleUnusable(f"This needs a database user who may create roles:\n{BY_HAND}") from error
            if state in ("42710", "23505"):
                return
            if state != "XX000" or not left:
                raise
        else:
            return
