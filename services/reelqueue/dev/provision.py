"""The first tenant of a stack, its key and its upstream token: found, or made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from reelqueue.domain.api_keys import SCOPES, parse_key
from reelqueue.errors import NotFound
from reelqueue.settings import Settings, load_settings
from reelqueue.wiring.services import Services


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
        if upstream_token is not None:
            services.tokens.add(None, upstream_token, label="dev")
        if mint is not None and services.tokens.pick(owner.id) is None:
            services.tokens.add(None, mint(), label="dev")
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
