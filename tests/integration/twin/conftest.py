"""A twin that all tests here share, and twins of their own."""

import contextlib

import pytest

from fakes.twin import SPEED, Process, Twin


@pytest.fixture(scope="session")
def twin_process(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("twin"), "--speed", SPEED, "--film-max-side", 160, "--seed", 1)
    yield process
    code, written = process.stop()
    assert (code, written) == (0, "")


@pytest.fixture
def twin(twin_process):
    """The shared twin, as good as new: fast, small films, never silent, no trailing noise."""
    running = Twin(twin_process)
    running.control("reset")
    running.settings(silent_rate=0.0, trailing_issue_rate=0.0)
    yield running
    running.close()


@pytest.fixture
def user(twin):
    return twin.user()


@pytest.fixture
def start(tmp_path):
    """Start a twin of the test's own."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments):
            process = Process(tmp_path, *arguments)
            stack.callback(process.stop)
            running = Twin(process)
            stack.callback(running.close)
            return running

        yield begin
