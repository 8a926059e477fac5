"""Upstream tokens as their owners manage them: a tenant its own, an operator the shared pool's as well."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, case, exists, func, select, text, update
from sqlalchemy.dialects import postgresql

from reelqueue.domain.jobs import WaitingReason
from reelqueue.domain.tokens import Block, BlockedBy, TokenHealth, TokenInUse, TokenKind, TokenWish, checked_secret
from reelqueue.domain.upstream import Balance
from reelqueue.errors import NotFound, StateConflict, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.engine import Database
from reelqueue.store.tables import credit_entries, former_sessions, jobs, projects, upstream_tokens
from reelqueue.store.token_rows import (
    FRESH_SECRET,
    NAMES,
    OWNER_AND_FINGERPRINT,
    SHOWN,
    UNBLOCKED,
    balance_columns,
    fingerprint,
    sealed,
    token_from,
)
from reelqueue.store.violations import no_such_tenant, refusing

_T = upstream_tokens.c
DEFAULT_LABEL: Final = "default"


def _in_use(slot: str) -> ColumnElement[int]:
    counted = select(func.count()).where(jobs.c.token_id == _T.id, jobs.c.slot == slot)
    return counted.correlate(upstream_tokens).scalar_subquery().label(f"{slot}s_in_use")


_READ: Final = (*SHOWN, _in_use("turn"), _in_use("render"))
_NAMED: Final = tuple(
    exists().where(table.c.token_id == _T.id) for table in (jobs, projects, former_sessions, credit_entries)
)
"""Whatever still names a token, and is worked on or accounted for with it."""
_CALL: Final = text(f"""
UPDATE jobs SET due_at = now()
WHERE token_id = :token_id AND slot IS NOT NULL AND dispatch = 'idle'
  AND waiting ->> 'reason' = '{WaitingReason.TOKEN_BLOCKED.value}'
""")  # noqa: S608 - the word is ours


class TokenRecords:
    """Tokens of one owner: a tenant, or `None`, the shared pool. Another's id is not found, like one that never was.

    What was removed is not seen here any more. No secret leaves.
    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def keep(
        self, owner: str | None, secret: str, wish: TokenWish, balance: Balance | None = None
    ) -> tuple[TokenInUse, bool]:
        """Keep a token; the balance is what the upstream said of it just now. Says whether it is a new row.

        The same secret again gives the row that is there, one that was removed too, with what is wished changed. A
        balance proves a token to be alive, so it cures one that was found dead or exhausted, and is a generation on
        then: what still comes from before says nothing of it. Raises `ValidationFailed` for what cannot be a token,
        `NotFound` for a tenant that is not there.
        """
        token_id = new_id("upstream_token")
        statement = postgresql.insert(upstream_tokens).values(
            id=token_id,
            tenant_id=owner,
            kind=TokenKind.SUPPLIED,
            secret=sealed(self._sealer, owner, token_id, checked_secret(secret)),
            fingerprint=fingerprint(self._sealer, TokenKind.SUPPLIED, secret),
            **{"label": DEFAULT_LABEL, **_wished(wish)},
            **({} if balance is None else {"health": _health_with(balance), **balance_columns(balance)}),
        )
        again = {"removed_at": None, **_wished(wish), **({} if balance is None else _proven(balance))}
        statement = statement.on_conflict_do_update(index_elements=OWNER_AND_FINGERPRINT, set_=again)
        with refusing(no_such_tenant(upstream_tokens)), self._database.transaction() as connection:
            found = connection.execute(statement.returning(_T.id)).scalar_one()
            return self._read(connection, owner, found), found == token_id

    def find(self, owner: str | None, token_id: str) -> TokenInUse:
        """One token. Raises `NotFound`."""
        with self._database.statement() as connection:
            return self._read(connection, owner, token_id)

    def list(self, owner: str | None, *, before: str | None, limit: int) -> list[TokenInUse]:
        """Up to `limit` tokens, newest first, older than the id `before`."""
        statement = select(*_READ).where(*_seen(owner)).order_by(_T.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(_T.id < before)
        with self._database.statement() as connection:
            return [_shown(row) for row in connection.execute(statement).mappings()]

    def owner_of(self, token_id: str) -> str | None:
        """Whose token it is, for an operator: `None` is the pool. Raises `NotFound`."""
        statement = select(_T.tenant_id).where(_T.id == token_id, _T.removed_at.is_(None))
        with self._database.statement() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise NotFound
        owner: str | None = row.tenant_id
        return owner

    def change(self, owner: str | None, token_id: str, wish: TokenWish) -> TokenInUse:
        """Change what is wished; it acts on the next job that is given room, and a block on the next turn.

        Jobs that wait for a token which is unblocked go on at once. Raises `NotFound`, and `StateConflict` where a
        tenant is to change what the operator blocked.
        """
        with self._database.transaction() as connection:
            self._block(connection, owner, token_id, wish.block)
            if values := _wished(wish):
                connection.execute(update(upstream_tokens).where(*_seen(owner, token_id)).values(values))
            return self._read(connection, owner, token_id)

    def rotate(self, owner: str | None, token_id: str, secret: str, wish: TokenWish, balance: Balance) -> TokenInUse:
        """Put another secret of the same account in place of the one that is there: alive, and a generation on.

        Its life is unknown again, and so are its refusals: a block that came of them ends. Raises what `change`
        raises, and `ValidationFailed` for what cannot be a token, where another
        row of the owner has this secret, and where the token is one that we fetch ourselves.
        """
        values = {
            **FRESH_SECRET,
            **_wished(wish),
            **balance_columns(balance),
            "secret": sealed(self._sealer, owner, token_id, checked_secret(secret)),
            "fingerprint": fingerprint(self._sealer, TokenKind.SUPPLIED, secret),
            "generation": _T.generation + 1,
            "health": case((_T.health == TokenHealth.COOLING, _T.health), else_=_health_with(balance)),
            "expires_at": None,
        }
        taken = ValidationFailed("Another of these tokens has this secret.", pointer="/token")
        statement = update(upstream_tokens).where(*_seen(owner, token_id), _T.kind == TokenKind.SUPPLIED)
        with (
            refusing({"uq_upstream_tokens_owner_fingerprint": taken}),
            self._database.transaction() as connection,
        ):
            self._block(connection, owner, token_id, wish.block)
            if connection.execute(statement.values(values)).rowcount != 1:
                self._read(connection, owner, token_id)
                raise ValidationFailed("An anonymous token is fetched, not given.", pointer="/token")
            return self._read(connection, owner, token_id)

    def remove(self, owner: str | None, token_id: str) -> None:
        """Place nothing more on it. Projects that are bound to it go on; a token that nothing names is erased.

        Raises `NotFound`.
        """
        with self._database.transaction() as connection:
            # Locked first: from now on nothing can come to name it unseen.
            locked = select(_T.id).where(*_seen(owner, token_id)).with_for_update()
            if connection.execute(locked).first() is None:
                raise NotFound
            mine = _T.id == token_id
            named = any(connection.execute(select(_T.id).where(mine, one)).first() for one in _NAMED)
            if named:
                connection.execute(update(upstream_tokens).where(mine).values(removed_at=func.now()))
            else:
                connection.execute(upstream_tokens.delete().where(mine))

    def _block(self, connection: Connection, owner: str | None, token_id: str, block: Block | None) -> None:
        """Who blocks or unblocks last wins, but for a tenant against the operator. Blocked again it is since then."""
        if block is None:
            return
        locked = select(_T.blocked_by, _T.blocked_at).where(*_seen(owner, token_id)).with_for_update()
        row = connection.execute(locked).first()
        if row is None:
            raise NotFound
        if row.blocked_by == BlockedBy.OPERATOR and block.by is not BlockedBy.OPERATOR:
            raise StateConflict("Whoever runs this service has blocked this token.", pointer="/state")
        blocked = {"blocked_at": func.coalesce(row.blocked_at, func.now()), "blocked_by": block.by}
        values = {**blocked, "blocked_why": block.why} if block.on else UNBLOCKED
        connection.execute(update(upstream_tokens).where(_T.id == token_id).values(values))
        if not block.on:
            connection.execute(_CALL, {"token_id": token_id})

    def _read(self, connection: Connection, owner: str | None, token_id: str) -> TokenInUse:
        row = connection.execute(select(*_READ).where(*_seen(owner, token_id))).mappings().first()
        if row is None:
            raise NotFound
        return _shown(row)


def _seen(owner: str | None, token_id: str | None = None) -> tuple[ColumnElement[bool], ...]:
    """The conditions of one owner's tokens, or of one of them."""
    mine = _T.tenant_id.is_(None) if owner is None else _T.tenant_id == owner
    return (mine, _T.removed_at.is_(None), *(() if token_id is None else (_T.id == token_id,)))


def _wished(wish: TokenWish) -> dict[str, Any]:
    """The columns that a wish changes. Of other scopes it is not known yet what is refused."""
    columns = {name: value for name, value in asdict(wish).items() if value is not None and name != "block"}
    if wish.scopes is not None:
        columns |= {"scopes": list(wish.scopes), "refused": [], "refused_at": None}
    return columns


def _health_with(balance: Balance) -> TokenHealth:
    return TokenHealth.OK if balance.available > 0 else TokenHealth.EXHAUSTED


def _proven(balance: Balance) -> dict[str, Any]:
    """The columns of a token that was there when the upstream accepted its secret just now."""
    ailing = _T.health.in_((TokenHealth.INVALID, TokenHealth.EXHAUSTED))
    return {
        **balance_columns(balance),
        "generation": case((ailing, _T.generation + 1), else_=_T.generation),
        "health": case((ailing, _health_with(balance)), else_=_T.health),
    }


def _shown(row: RowMapping) -> TokenInUse:
    token = token_from({name: row[name] for name in NAMES})
    return TokenInUse(token=token, turns=row["turns_in_use"], renders=row["renders_in_use"])
