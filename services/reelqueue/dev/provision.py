"""The first tenant of a stack, its key and its upstream token: found, or made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from reelqueue.domain.api_keys import SCOPES, parse_key
from reelqueue.domain.tokens import TokenWish
from reelqueue.errors import NotFound
from reelqueue.settings import Settings, load_settings
from reelqueue.wiring.services import Services

TWIN: Final = TokenWish(label="dev", requests_per_minute=6_000, burst=10, max_turns=50, max_renders=50)
"""A twin's token carries what a demo wants: the limits shall not slow it down."""


def provide(
    environment: Mapping[str, str],
    *,
    tenant: str,
    api_key: str | None,
    upstream_token: str | None,
    mint: Callable[[], str] | None = None,
) -> dict[str, str]:
    """`{tenant, api_key, webhook_secret}`. A key that still works is kept; a token that is there stays one.

    Where no token serves the tenant, since there is none or each was set aside, `mint` makes one.
    """
    services = Services(_settings(environment), process="provision")
    try:
        try:
            owner = services.tenants.find(tenant)
        except NotFound:
            owner = services.tenants.create(tenant)
        parsed = parse_key(api_key) if api_key else None
        if parsed is None or services.api_keys.find(parsed.id) is None:
            api_key = services.api_keys.create(owner.id, name="dev", scopes=sorted(SCOPES)).text
        # Not tried first: a token of the twin's that has died gives way to a fresh one below.
        wish = TokenWish(label="dev") if mint is None else TWIN
        if upstream_token is not None:
            services.token_records.keep(None, upstream_token, wish)
        if mint is not None and services.tokens.pick(owner.id) is None:
            services.token_records.keep(None, mint(), wish)
        assert api_key is not None
        return {"tenant": owner.id, "api_key": api_key, "webhook_secret": services.tenants.webhook_secret(owner.id)}
    finally:
        services.close()


def _settings(environment: Mapping[str, str]) -> Settings:
    """The settings as the stack's own processes read them."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        return load_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
