"""Which tokens may serve a new project, as SQL: the one place where that is said.

A project that has a session stays with the session's token. A new one goes to a token of the tenant's own before one
of the shared pool, and to none whose balance is known to be nothing; among those to one that is not about to expire,
then to the one with the most free room, then to the one with the longest life. How long tokens live is disputed
(`upstream-contract.md` §14 row 11), so a life that ends soon only puts a token last.

Scopes are a hint, and no more than that (§14 row 14: do not pre-check them; what a token may do is told in
contradictions, and anonymous ones export without `render`). A token that its owner says lacks one, or that was refused
in one lately, is passed over while there is another of which nothing of the kind is known. It is passed over for every
job: nearly all upload and export, and a project keeps its token for exports that nobody has asked for yet. Where there
is no other it is tried, and the upstream decides.
"""

from __future__ import annotations

from typing import Final

from reelqueue.domain.tokens import PASSED_OVER_S, TokenScope

NEEDED: Final = (TokenScope.WRITE, TokenScope.UPLOAD, TokenScope.RENDER)
"""What it takes to bring inputs, make a video of them and export it."""


def _serves(token: str) -> str:
    """A token of that name may be given new work, whatever its scopes."""
    k = token
    return f"""({k}.removed_at IS NULL AND {k}.blocked_at IS NULL
    AND ({k}.health = 'ok' OR ({k}.health = 'cooling' AND {k}.cooling_until <= now()))
    AND coalesce({k}.available, 1) > 0
    AND ({k}.kind <> 'anonymous' OR NOT EXISTS (SELECT FROM tenants OFFSET 1)))"""


def _lacks(token: str) -> str:
    """A token of that name is known to lack a scope: it was refused just now, or its owner says so."""
    needed = ", ".join(f"'{scope.value}'" for scope in NEEDED)
    lately = f"{token}.refused_at > now() - interval '{PASSED_OVER_S} s'"
    return f"""(({token}.refused <> '{{}}' AND {lately}) OR ({token}.scopes <> '{{}}'
        AND NOT '{TokenScope.ALL.value}' = ANY ({token}.scopes) AND NOT {token}.scopes @> ARRAY[{needed}]))"""


SERVES: Final = _serves("k")
LACKS: Final = _lacks("k")
"""For statements with a token `k`: the halves of `USABLE`, for whoever asks for only one of a tenant's tokens. Ordered
by `LACKS`, then the tenant's own before the pool's, the first that serves is the first that is usable."""

USABLE: Final = f"""({_serves("k")} AND (NOT {_lacks("k")} OR NOT EXISTS (
    SELECT FROM upstream_tokens o
    WHERE (o.tenant_id = k.tenant_id OR o.tenant_id IS NULL) AND {_serves("o")} AND NOT {_lacks("o")})))"""
"""For statements with a token `k`: it may be given new work. Its room is another matter.

A balance that nobody has read counts as some. An anonymous token serves a trial, which has one tenant. In place of one
that lacks a scope stands any other that its tenant could use, one of the pool too.
"""

COOLING: Final = "(k.removed_at IS NULL AND k.blocked_at IS NULL AND k.health = 'cooling' AND k.cooling_until > now())"
"""For statements with a token `k`: it may be given new work a little later."""

BLOCKED: Final = "(k.blocked_at IS NOT NULL)"
"""For statements with a token `k`: nothing new begins on it, not even for projects that are bound to it."""

SET_ASIDE: Final = f"""({BLOCKED} AND k.removed_at IS NULL
    AND (k.kind <> 'anonymous' OR NOT EXISTS (SELECT FROM tenants OFFSET 1)))"""
"""For statements with a token `k`: it may be given new work once it is not blocked any more."""

WAITED_FOR: Final = f"({COOLING} OR {SET_ASIDE})"
"""For statements with a token `k`: whoever has no other token waits for it."""

TURNS_FREE: Final = """greatest(0, k.max_turns - (
    SELECT count(*) FROM jobs s WHERE s.token_id = k.id AND s.slot = 'turn'))"""
RENDERS_FREE: Final = """greatest(0, k.max_renders - (
    SELECT count(*) FROM jobs s WHERE s.token_id = k.id AND s.slot = 'render'))"""
"""For statements with a token `k`: how many more it can carry. Never over what is reserved, since all that reserve hold
`slots.ROOM_LOCK`."""


def needs_render(job: str) -> str:
    """For statements with a job of that name: whether what is left of it is an export, which takes no turn."""
    return f"({job}.instruction_index >= jsonb_array_length({job}.instructions) AND {job}.outputs <> '[]')"


def bound_token(project: str, version: str) -> str:
    """The token that a job has to work with: of its project's session, or of the version that it exports; else null."""
    return f"""(SELECT p.token_id FROM projects p
    WHERE p.id = {project} AND (p.state = 'ready' OR {version} IS NOT NULL))"""  # noqa: S608 - the names are ours


DRAINING: Final = "coalesce(k.expires_at < now() + make_interval(secs => CAST(:drain_s AS double precision)), false)"
"""For statements with a token `k` and the parameter `drain_s`: it is about to expire."""
