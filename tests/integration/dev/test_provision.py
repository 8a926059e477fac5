"""What a development stack has before its first job, and again after a job has used its token up."""

from __future__ import annotations

import pytest

from fakes.gateway import MASTER_KEY
from reelqueue.dev.provision import provide
from reelqueue.domain.tokens import TokenHealth
from reelqueue.settings import Settings
from reelqueue.wiring.services import Services


@pytest.fixture
def environment(database_url):
    return {
        "REELQUEUE_DATABASE_URL": database_url,
        "REELQUEUE_REDIS_URL": "redis://127.0.0.1:1",
        "REELQUEUE_SECRET_KEY": MASTER_KEY,
    }


@pytest.fixture
def services(environment):
    names = {name.removeprefix("REELQUEUE_").lower(): value for name, value in environment.items()}
    made = Services(Settings(**names))
    yield made
    made.close()


@pytest.mark.parametrize("health", [TokenHealth.INVALID, TokenHealth.EXHAUSTED])
def test_a_token_that_was_set_aside_gets_a_successor_and_one_that_works_gets_none(environment, services, health):
    minted = []

    def mint():
        minted.append(f"nmv_usr_{len(minted)}")
        return minted[-1]

    def start(token):
        made = provide(environment, tenant="dev", api_key=None, upstream_token=token, mint=mint)
        found = services.tokens.pick(made["tenant"])
        return found, services.tokens.credential(found.id).token

    first, secret = start(None)
    assert start(secret) == (first, secret)
    assert minted == [secret]
    services.tokens.mark(first.id, health, generation=first.generation)
    assert start(secret)[1] == minted[1]
