"""`reelqueue tenant quota` and `reelqueue key limit` on a real database."""

from __future__ import annotations

import base64
import json

import pytest
from typer.testing import CliRunner

from reelqueue.cli.app import app


@pytest.fixture
def command(database_url, monkeypatch):
    """Run a command; its exit code and what it printed."""
    monkeypatch.setenv("REELQUEUE_DATABASE_URL", database_url)
    monkeypatch.setenv("REELQUEUE_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("REELQUEUE_SECRET_KEY", base64.b64encode(bytes(32)).decode())

    def run(*words):
        result = CliRunner().invoke(app, list(words))
        return result.exit_code, result.output

    assert run("tenant", "create", "acme")[0] == 0
    return run


def quota(command, *options):
    code, printed = command("tenant", "quota", "acme", *options, "--json")
    assert code == 0, printed
    row = json.loads(printed)
    return {name: value for name, value in row.items() if value is not None and name != "tenant"}


def test_limits_are_set_shown_and_lifted(command):
    unused = {"live_jobs_used": 0, "credits_per_day_used": 0, "credits_per_month_used": 0}
    assert quota(command) == unused
    set_now = quota(command, "--jobs-per-minute", "60", "--credits-per-day", "2.5")
    assert set_now == {**unused, "jobs_per_minute": 60, "jobs_per_minute_used": 0, "credits_per_day": 2.5}
    assert quota(command, "--jobs-per-minute", "none") == {**unused, "credits_per_day": 2.5}


@pytest.mark.parametrize("given", ["many", "-1", "1.5"])
def test_a_number_that_means_nothing_is_refused(command, given):
    assert command("tenant", "quota", "acme", f"--live-jobs={given}")[0] != 0
    assert "live_jobs" not in quota(command)


def test_a_key_is_held_to_a_rate(command):
    key = json.loads(command("key", "create", "--tenant", "acme", "--json")[1])["id"]
    assert command("key", "limit", key, "--tenant", "acme", "--per-minute", "30")[0] == 0
    assert command("key", "limit", "key_x", "--tenant", "acme", "--per-minute", "30")[0] != 0
