"""The commands as a person and as a script use them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from fakes.command_line import COMMAND_S
from fakes.command_line import run_command as run
from fakes.live_customer import Customer, animate, create, new_marker
from fakes.live_stack import LiveStack, plain_environment
from fakes.live_twin import Twin


def run_on_terminal(arguments: Sequence[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command on a pseudo-terminal; returns its exit status and all that it drew."""
    ours, theirs = pty.openpty()
    environment = {**environment, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    argv = [sys.executable, "-m", "reelqueue", *arguments]
    process = subprocess.Popen(argv, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    drawn = b""
    with suppress(OSError):  # Linux ends a terminal that nobody holds any more with EIO
        while chunk := os.read(ours, 4096):
            drawn += chunk
    os.close(ours)
    return process.wait(COMMAND_S), drawn.decode(errors="replace")


@pytest.fixture
def as_customer(customer: Customer, stack: LiveStack) -> dict[str, str]:
    return {**plain_environment(), "REELQUEUE_URL": stack.base_url, "REELQUEUE_API_KEY": customer.key}


def test_what_an_operator_makes_lets_a_new_tenant_begin(stack: LiveStack, twin: Twin, marker: str) -> None:
    def made(*arguments: str, **more: str) -> dict[str, Any]:
        done = run([*arguments, "--json"], {**stack.environment(), **more})
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    name = f"acme {new_marker()}"
    tenant = made("tenant", "create", name, "--max-running", "2")
    assert tenant["name"] == name
    assert tenant["webhook_secret"].startswith("whsec_")
    key = made("key", "create", "--tenant", name, "--scopes", "jobs:read,jobs:write")
    assert (key["tenant"], key["scopes"]) == (tenant["id"], ["jobs:read", "jobs:write"])
    secret = twin.issue_token()
    limits = ("--requests-per-minute", "600", "--max-turns", "4")
    token = made("token", "add", "--tenant", tenant["id"], *limits, NEMO_TOKEN=secret["token"])
    assert (token["tenant"], token["health"], token["available"]) == (tenant["id"], "ok", 1000)
    assert (token["requests_per_minute"], token["max_turns"], token["max_renders"]) == (600, 4, 20)
    listed = made("token", "list", "--tenant", name)
    assert listed == {**token, "balance_as_of": listed["balance_as_of"]}
    changed = made("token", "set", token["id"], "--label", "main", "--max-renders", "2")
    assert changed == {**token, "label": "main", "max_renders": 2, "balance_as_of": changed["balance_as_of"]}
    # The workers read balances too, whenever they like.
    unread = {**changed, "balance_as_of": None}
    assert {**made("token", "check", token["id"]), "balance_as_of": None} == unread
    blocked = made("token", "block", token["id"], "--why", "looks stolen")
    assert (blocked["health"], blocked["blocked_by"], blocked["blocked_why"]) == ("blocked", "operator", "looks stolen")
    assert {**made("token", "unblock", token["id"]), "balance_as_of": None} == unread
    scoped = made("token", "set", token["id"], "--scopes", "read,write,upload,render")
    assert {**scoped, "balance_as_of": None} == {**unread, "scopes": "read,write,upload,render"}
    assert {**made("token", "set", token["id"], "--scopes", ""), "balance_as_of": None} == unread
    unknown = run(["token", "set", token["id"], "--scopes", "renders"], stack.environment())
    assert unknown.returncode == 2
    refused = run(["token", "add", "--json"], {**stack.environment(), "NEMO_TOKEN": "nmv_usr_never"})
    assert refused.returncode != 0
    assert "nmv_usr_never" not in refused.stdout + refused.stderr
    stack.canaries |= {secret["token"], key["key"].rpartition("_")[2], tenant["webhook_secret"].removeprefix("whsec_")}

    with twin.settings(instant=True):
        answer = httpx.post(
            f"{stack.base_url}/v1/jobs",
            json={"instruction": create(marker)},
            headers={"Authorization": f"Bearer {key['key']}", "Prefer": "wait=30"},
            timeout=40,
            trust_env=False,
        )
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert {line["token"] for line in twin.turns(marker)} == {secret["fingerprint"]}
    removed = run(["token", "remove", token["id"]], stack.environment())
    assert removed.returncode == 0, removed.stderr
    assert run(["token", "list", "--tenant", name, "--json"], stack.environment()).stdout == ""


def test_submit_draws_a_bar_on_a_terminal_and_fetches_the_video(
    as_customer: dict[str, str], twin: Twin, examples: list[Path], marker: str, tmp_path: Path
) -> None:
    out = tmp_path / "my clip.mp4"
    arguments = ["submit", str(examples[0]), "-i", animate(marker), "--wait", "--out", str(out)]
    status, drawn = run_on_terminal(arguments, as_customer)
    assert status == 0, drawn
    for sign in ("━", "100%", "succeeded", "done", "my clip.mp4"):
        assert sign in drawn
    assert "{" not in drawn
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 1
    assert list(tmp_path.iterdir()) == [out]
    assert len(twin.turns(marker)) == 1


def test_submit_writes_json_lines_into_a_pipe(
    as_customer: dict[str, str], twin: Twin, examples: list[Path], marker: str, tmp_path: Path
) -> None:
    out = tmp_path / "clip.mp4"
    words = ["-i", animate(f"{marker}-1"), "-i", f'add the title "{marker}-2"']
    done = run(["submit", str(examples[0]), str(examples[1]), *words, "--out", str(out)], as_customer)
    assert done.returncode == 0, done.stderr
    *steps, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({step["id"] for step in steps}) == 1
    assert steps[-1] == {
        "id": steps[0]["id"],
        "status": "succeeded",
        "progress": 100,
        "waiting": None,
        "question": None,
        "error": None,
    }
    assert last == {"out": str(out), "bytes": out.stat().st_size}
    assert len(twin.turns(marker)) == 2


def test_submit_says_in_words_what_went_wrong(as_customer: dict[str, str], tmp_path: Path, marker: str) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    done = run(["submit", str(notes), "-i", create(marker)], as_customer)
    assert done.returncode == 1
    assert done.stderr.startswith("reelqueue: file_type_not_allowed")
    assert "Traceback" not in done.stderr
    assert as_customer["REELQUEUE_API_KEY"].rpartition("_")[2] not in done.stderr + done.stdout
