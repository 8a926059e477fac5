"""What every test gets: markers by directory, a way to see where a hanging run hangs, the shared fixtures."""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = (
    "fixtures.eventually",
    "fixtures.logged",
    "fixtures.postgres",
    "fixtures.scheduling",
    "fixtures.valkey",
)

_TESTS = Path(__file__).parent
_KINDS = frozenset({"unit", "integration", "e2e"})


def pytest_configure() -> None:
    """`kill -USR1 <pid>` prints where every thread of a run stands, and the run goes on."""
    faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)


@pytest.fixture(autouse=True)
def _handlers_of_one_test() -> Iterator[None]:
    """What a test set up for its logs goes with it: its stream is closed, and whatever came later would complain."""
    before = list(logging.root.handlers)
    yield
    for handler in [one for one in logging.root.handlers if one not in before]:
        # Not pytest's own, which are of a class beneath.
        if type(handler) is logging.StreamHandler:
            logging.root.removeHandler(handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the directory it lies in, so that `-m unit` needs no decorators."""
    for item in items:
        if item.path.is_relative_to(_TESTS):
            kind = item.path.relative_to(_TESTS).parts[0]
            if kind in _KINDS:
                item.add_marker(kind)
