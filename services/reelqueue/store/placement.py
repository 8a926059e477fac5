"""Which tokens may serve a new project, as SQL: the one place where that is said.

A project that has a session stays with the session's token. A new one goes to a token of the tenant's own before one
of the shared pool, and to none whose balance is known to be nothing; among those to one that is not about to expire,
then to the one with the most free room, then to the one with the longest life. How long tokens live is disputed
(`upstream-contract.md` §14 row 11), so a life that ends soon only puts a token last.
"""

from __future__ import annotations

from typing import Final

USABLE: Final = """(k.removed_at IS NULL
    AND (k.health = 'ok' OR (k.health = 'cooling' AND k.cooling_until <= now()))
    AND coalesce(k.available, 1) > 0
    AND (k.kind <> 'anonymous' OR NOT EXISTS (SELECT FROM tenants OFFSET 1)))"""
"""For statements with a token `k`: it may be given new work. Its room is another matter.

A balance that nobody has read counts as some. An anonymous token serves a trial, which has one tenant.
"""

COOLING: Final = "(k.removed_at IS NULL AND k.health = 'cooling' AND k.cooling_until > now())"
"""For statements with a token `k`: it may be given new work a little later."""

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


DRAIN_S: Final = 6 * 3600
"""From how long before a token's expiry new projects go elsewhere if they can, in seconds."""

DRAINING: Final = f"coalesce(k.expires_at < now() + interval '{DRAIN_S} s', false)"
BEST_FIRST: Final = f"{DRAINING}, k.expires_at DESC NULLS FIRST, k.id"
"""For statements with a token `k`: the order among those with equal room."""
