"""Upstream tokens: sealed, chosen, marked, refreshed. A secret leaves here only as a `Credential`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.tokens import TokenHealth, TokenKind, TokenScope, UpstreamToken, checked_secret
from reelqueue.domain.upstream import AnonymousToken, Credential
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id
from reelqueue.kit.limits import TOKEN_DRAIN_S
from reelqueue.kit.sealing import Sealer
from reelqueue.store.engine import Database
from reelqueue.store.placement import DRAINING, SET_ASIDE, TURNS_FREE, USABLE
from reelqueue.store.refresh_lock import WAIT_S, RefreshLock
from reelqueue.store.tables import tenants, upstream_tokens
from reelqueue.store.tables.metadata import Moment
from reelqueue.store.token_pauses import PACE, TokenPauses, pace_from
from reelqueue.store.token_refusals import TokenRefusals
from reelqueue.store.token_rows import (
    FRESH_SECRET,
    NAMES,
    OWNER_AND_FINGERPRINT,
    SHOWN,
    fingerprint,
    place_of,
    sealed,
    token_from,
)
from reelqueue.store.violations import no_such_tenant, refusing

_T = upstream_tokens.c

_LONGEST_LIFE: Final = (_T.expires_at.desc().nulls_first(), _T.id)

ANONYMOUS_LIFE: Final = timedelta(days=7)
"""What an anonymous token lives when the upstream does not say (contract §14 row 11)."""

_PICK: Final = text(f"""
SELECT {", ".join(f"k.{name}" for name in NAMES)}
FROM upstream_tokens k
CROSS JOIN LATERAL (SELECT {TURNS_FREE} AS turns) free
WHERE (k.tenant_id = :tenant_id OR k.tenant_id IS NULL) AND {USABLE}
ORDER BY k.tenant_id IS NULL, free.turns = 0, {DRAINING}, free.turns DESC, k.expires_at DESC NULLS FIRST, k.id
LIMIT 1
""")  # noqa: S608 - names and conditions are ours


_SET_ASIDE: Final = text(f"""
SELECT FROM upstream_tokens k WHERE (k.tenant_id = :tenant_id OR k.tenant_id IS NULL) AND {SET_ASIDE} LIMIT 1
""")


class UpstreamTokens:
    """Tokens of tenants and of the shared pool. A token without a tenant belongs to the pool.

    `find`, `credential`, `mark`, `cool`, `works`, `refreshing` and `replace_secret` take the id that `pick` gave or a
    project names; ids that came from a request never reach them.
    """

    def __init__(
        self, database: Database, sealer: Sealer, *, refresh_wait_s: float = WAIT_S, drain_s: float = TOKEN_DRAIN_S
    ) -> None:
        """`drain_s`: a token that expires sooner than that is picked only as the last resort."""
        self._database = database
        self._drain_s = drain_s
        self._sealer = sealer
        self._refreshes = RefreshLock(database, wait_s=refresh_wait_s)
        self._pauses = TokenPauses(database)
        self._refusals = TokenRefusals(database)

    def add(self, tenant_id: str | None, secret: str, *, label: str) -> UpstreamToken:
        """Keep a token that a person supplied. The same secret again gives the row that is there, unchanged.

        Its health stays what it was too: a dead token is not cured by being added again. One that was removed comes
        back. `TokenRecords.keep` is for a token that was tried just now. Raises `ValidationFailed` for what cannot be
        a token, `NotFound` for a tenant that is not there.
        """
        checked_secret(secret)
        token_id = new_id("upstream_token")
        statement = (
            insert(upstream_tokens)
            .values(
                id=token_id,
                tenant_id=tenant_id,
                label=label,
                kind=TokenKind.SUPPLIED,
                secret=sealed(self._sealer, tenant_id, token_id, secret),
                fingerprint=fingerprint(self._sealer, TokenKind.SUPPLIED, secret),
            )
            .on_conflict_do_update(index_elements=OWNER_AND_FINGERPRINT, set_={"removed_at": None})
            .returning(*SHOWN)
        )
        with refusing(no_such_tenant(upstream_tokens)), self._database.statement() as connection:
            return token_from(connection.execute(statement).mappings().one())

    def add_anonymous(self, client_id: str, fresh: AnonymousToken) -> UpstreamToken:
        """Keep a token that was fetched for a client id, in the shared pool. One row a client id.

        Where there is a row, another secret takes the old one's place as in `replace_secret`: whatever ailed the old
        token is over. The same secret changes nothing, its health included: the upstream may give out a live token
        again (contract §4.1). Hold `refreshing(client_id)` from before the fetch.
        """
        token_id = new_id("upstream_token")
        statement = (
            insert(upstream_tokens)
            .values(
                id=token_id,
                tenant_id=None,
                label=TokenKind.ANONYMOUS,
                kind=TokenKind.ANONYMOUS,
                secret=sealed(self._sealer, None, token_id, fresh.token),
                fingerprint=fingerprint(self._sealer, TokenKind.ANONYMOUS, client_id),
                client_id=client_id,
                user_id=fresh.user_id,
                expires_at=_expiry(fresh.expires_at),
            )
            .on_conflict_do_update(index_elements=OWNER_AND_FINGERPRINT, set_={"label": _T.label})
            .returning(*SHOWN, _T.secret)
        )
        with self._database.transaction() as connection:
            row = connection.execute(statement).mappings().one()
            if self._sealer.open(row["secret"], aad=place_of(None, row["id"])).decode() != fresh.token:
                renewal = (
                    update(upstream_tokens).where(_T.id == row["id"]).values(self._renewed(None, row["id"], fresh))
                )
                row = connection.execute(renewal.returning(*SHOWN)).mappings().one()
            return token_from({name: row[name] for name in NAMES})

    def pick(self, tenant_id: str) -> UpstreamToken | None:
        """The token to work with: the tenant's own before the pool's, the others of `placement` after that.

        One without room comes last and not never: how many turns run is the business of whoever reserves room. Life on
        the clock never rules a token out, it only ranks: how long tokens live is disputed, so a refusal decides
        (contract §14 row 11).
        """
        with self._database.statement() as connection:
            row = connection.execute(_PICK, {"tenant_id": tenant_id, "drain_s": self._drain_s}).mappings().first()
        return None if row is None else token_from(row)

    def single_tenant(self) -> bool:
        """Whether at most one tenant is there: nobody shares an anonymous token with another."""
        second = select(tenants.c.id).offset(1).limit(1)
        with self._database.statement() as connection:
            return connection.execute(second).first() is None

    def spent(self, tenant_id: str) -> UpstreamToken | None:
        """A token of the tenant's own, else of the pool, that lacks nothing but credits."""
        statement = (
            select(*SHOWN)
            .where(
                or_(_T.tenant_id == tenant_id, _T.tenant_id.is_(None)),
                or_(_T.health == TokenHealth.EXHAUSTED, (_T.health == TokenHealth.OK) & (_T.available <= 0)),
                _T.removed_at.is_(None),
                _T.blocked_at.is_(None),
            )
            .order_by(_T.tenant_id.is_(None), *_LONGEST_LIFE)
            .limit(1)
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        return None if row is None else token_from(row)

    def own(self, tenant_id: str) -> UpstreamToken | None:
        """The tenant's own token, the one that `pick` would take first, else one that `pick` would not take."""
        usable = (_T.health == TokenHealth.OK) & _T.blocked_at.is_(None)
        statement = (
            select(*SHOWN)
            .where(_T.tenant_id == tenant_id, _T.removed_at.is_(None))
            .order_by(usable.desc(), (_T.health == TokenHealth.INVALID), *_LONGEST_LIFE)
            .limit(1)
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        return None if row is None else token_from(row)

    def cooled_in(self, tenant_id: str) -> float | None:
        """Seconds until the first of the tenant's or the pool's tokens has cooled, by the database's clock.

        `None` when none of them cools; 0 when one has cooled by now.
        """
        statement = select(func.min(_T.cooling_until) - func.now()).where(
            or_(_T.tenant_id == tenant_id, _T.tenant_id.is_(None)),
            _T.health == TokenHealth.COOLING,
            _T.removed_at.is_(None),
            _T.blocked_at.is_(None),
        )
        with self._database.statement() as connection:
            left: timedelta | None = connection.execute(statement).scalar()
        return None if left is None else max(0.0, left.total_seconds())

    def any_set_aside(self, tenant_id: str) -> bool:
        """Whether one of the tenant's or the pool's tokens would serve if it were not blocked."""
        with self._database.statement() as connection:
            return connection.execute(_SET_ASIDE, {"tenant_id": tenant_id}).first() is not None

    def find(self, token_id: str) -> UpstreamToken:
        """One token, without its secret. Raises `NotFound`."""
        with self._database.statement() as connection:
            row = connection.execute(select(*SHOWN).where(_T.id == token_id)).mappings().first()
        if row is None:
            raise NotFound
        return token_from(row)

    def credential(self, token_id: str) -> Credential:
        """The bearer token itself. Raises `NotFound`.

        Read the generation (`find`, `pick`) before this, not after: a refresh in between then makes a later `mark`
        miss, instead of letting it hit the fresh token.
        """
        statement = select(_T.tenant_id, _T.secret, *PACE).where(_T.id == token_id)
        with self._database.statement() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise NotFound
        secret = self._sealer.open(row.secret, aad=place_of(row.tenant_id, token_id))
        return Credential(token_id=token_id, token=secret.decode(), pace=pace_from(row))

    def mark(self, token_id: str, health: TokenHealth, *, generation: int, cooling_s: float | None = None) -> bool:
        """Note how a token fares; `cooling_s` goes with `COOLING`, in seconds.

        False: nothing was written, since the token was refreshed after `generation` was seen, or because it cools and
        is known to be worse off than that. Two coolings at once: the longer one stays.
        """
        if (health is TokenHealth.COOLING) != (cooling_s is not None):
            raise ValueError("cooling_s goes with COOLING")
        conditions: list[ColumnElement[bool]] = [_T.id == token_id, _T.generation == generation]
        until = None
        if cooling_s is not None:
            conditions.append(_T.health.in_((TokenHealth.OK, TokenHealth.COOLING)))
            until = func.greatest(_T.cooling_until, func.now() + timedelta(seconds=cooling_s))
        values: dict[str, Any] = {"health": health, "cooling_until": until}
        if health is TokenHealth.EXHAUSTED:
            # Whatever was read before the refusal is not what there is now.
            values |= {"available": None, "frozen": None, "balance_at": None}
        statement = update(upstream_tokens).where(*conditions).values(values)
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1

    def cool(self, token_id: str, *, asked_s: float | None, speed: float = 1.0) -> float:
        """A 429 came; see `TokenPauses.cool`."""
        return self._pauses.cool(token_id, asked_s=asked_s, speed=speed)

    def works(self, token_id: str) -> bool:
        """A call succeeded; see `TokenPauses.works`."""
        return self._pauses.works(token_id)

    def forbidden(self, token_id: str, scope: TokenScope, *, generation: int) -> bool:
        """A 403 came; see `TokenRefusals.refused`."""
        return self._refusals.refused(token_id, scope, generation=generation)

    def allowed(self, token_id: str, scope: TokenScope, *, generation: int) -> bool:
        """A call of that scope succeeded; see `TokenRefusals.allowed`."""
        return self._refusals.allowed(token_id, scope, generation=generation)

    def refreshing(self, token_id: str) -> AbstractContextManager[None]:
        """Be the only one, over all processes, who refreshes this token inside the block.

        Once inside, read the token again: whoever was here before may have refreshed it. A client id serves as well,
        before its first token exists. Raises `DependencyUnavailable` after `refresh_wait_s` seconds of waiting. Why
        this holds a connection during a call to the upstream: see `refresh_lock.py`.
        """
        return self._refreshes.held(token_id)

    def replace_secret(self, token_id: str, *, generation: int, fresh: AnonymousToken) -> bool:
        """Put a fresh secret in place of the one of `generation`: healthy again, and one generation on.

        False: nothing was written. The token was refreshed by another meanwhile, is not there, or was supplied by
        a person, whose token we never replace silently (contract §14 row 7). The first user id stays: accounts are
        bound by it (contract §14 row 30).
        """
        statement = (
            update(upstream_tokens)
            .where(_T.id == token_id, _T.generation == generation, _T.kind == TokenKind.ANONYMOUS)
            .values(self._renewed(self._owner(token_id), token_id, fresh))
        )
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1

    def _owner(self, token_id: str) -> str | None:
        """Whose token it is. An owner never changes, so this may be read in a statement of its own."""
        with self._database.statement() as connection:
            owner: str | None = connection.execute(select(_T.tenant_id).where(_T.id == token_id)).scalar()
        return owner

    def _renewed(self, tenant_id: str | None, token_id: str, fresh: AnonymousToken) -> dict[str, Any]:
        return {
            "secret": sealed(self._sealer, tenant_id, token_id, fresh.token),
            "generation": _T.generation + 1,
            "health": TokenHealth.OK,
            "cooling_until": None,
            "expires_at": _expiry(fresh.expires_at),
            "user_id": func.coalesce(_T.user_id, fresh.user_id),
            **FRESH_SECRET,
        }


def _expiry(told: datetime | None) -> ColumnElement[datetime]:
    return func.now() + ANONYMOUS_LIFE if told is None else literal(told, Moment)
