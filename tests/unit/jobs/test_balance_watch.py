from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from fakes.engine import TOKEN, MemoryTokens, World
from fakes.upstream import ScriptedUpstream, balance
from reelqueue.domain.tokens import TokenHealth
from reelqueue.errors import NotSent, TokenRejected
from reelqueue.jobs.balance_watch import BalanceWatch
from reelqueue.jobs.token_desk import TokenDesk


@dataclass
class Balances:
    """Tokens that are due, and what was noted."""

    waiting: list[str] = field(default_factory=list)
    noted: list[tuple[str, float, int, bool]] = field(default_factory=list)

    def due(self, *, spent_s, others_s, most):
        assert spent_s < others_s
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    def note(self, token_id, found, *, generation, cures):
        self.noted.append((token_id, found.available, generation, cures))
        return True


@pytest.fixture
def world():
    return World()


@pytest.fixture
def upstream():
    return ScriptedUpstream()


@pytest.fixture
def balances():
    return Balances()


@pytest.fixture
def watch(world, upstream, balances):
    tokens = MemoryTokens(world)
    desk = TokenDesk(tokens, upstream, anonymous_client_id=None, clock=world.clock)
    return BalanceWatch(balances=balances, tokens=tokens, desk=desk, upstream=upstream)


def exhausted(world, token_id=TOKEN):
    world.add_token(token_id)
    MemoryTokens(world).mark(token_id, TokenHealth.EXHAUSTED, generation=1)


@pytest.mark.parametrize(("found", "cured"), [(0, False), (10, False), (100, True)])
def test_an_exhausted_token_is_well_again_once_it_has_enough(world, upstream, balances, watch, found, cured):
    exhausted(world)
    balances.waiting = [TOKEN]
    upstream.script("balance", balance(found))
    assert watch.run() == cured
    assert balances.noted == [(TOKEN, found, 1, cured)]


def test_a_healthy_token_is_noted_and_nothing_is_cured(world, upstream, balances, watch):
    world.add_token()
    balances.waiting = [TOKEN]
    upstream.script("balance", balance(900))
    assert watch.run() == 0
    assert balances.noted == [(TOKEN, 900, 1, False)]


def test_a_look_that_fails_leaves_the_others_theirs(world, upstream, balances, watch):
    exhausted(world)
    exhausted(world, "tok_other")
    balances.waiting = [TOKEN, "tok_other"]
    upstream.script("balance", NotSent(), balance(500))
    assert watch.run() == 1
    assert balances.noted == [("tok_other", 500, 1, True)]


def test_a_token_that_turns_out_to_be_dead_is_set_aside(world, upstream, balances, watch):
    exhausted(world)
    balances.waiting = [TOKEN]
    upstream.script("balance", TokenRejected())
    assert watch.run() == 0
    assert world.tokens[TOKEN].health is TokenHealth.INVALID
    assert balances.noted == []
