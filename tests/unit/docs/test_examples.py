from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from fixtures.eventually import wait_until
from reelqueue.cli.app import app
from reelqueue.webhooks.signing import generate_secret, signed_headers

ROOT = Path(__file__).parents[3]
RECEIVER = ROOT / "examples" / "webhook_receiver.py"
SUBMIT = ROOT / "examples" / "submit.sh"
SECRET = generate_secret(random_bytes=lambda size: bytes(range(size)))
BODY = json.dumps({"type": "job.succeeded", "timestamp": "…", "data": {"job": {"id": "job_1"}, "seq": 6}}).encode()


# --- the webhook receiver ---------------------------------------------------------------------------------------------


class Receiver:
    """The example as a process of its own, on a free port."""

    def __init__(self, out: Path) -> None:
        self.out = out
        environment = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": "0"}
        with out.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, str(RECEIVER)], env=environment, stdout=stdout, stderr=subprocess.DEVNULL
            )
        self.port = wait_until(self._listening, timeout=30)

    def _listening(self) -> int | None:
        assert self.process.poll() is None, "the receiver ended"
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return next((link.laddr.port for link in found if link.status == psutil.CONN_LISTEN), None)

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request("POST", "/hooks", body=body, headers=headers)
            return link.getresponse().status
        finally:
            link.close()

    def printed(self) -> str:
        return self.out.read_text()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    running = Receiver(tmp_path_factory.mktemp("receiver") / "out")
    yield running
    running.process.kill()
    running.process.wait()


def signed(secret: str = SECRET, *, age_s: int = 0, body: bytes = BODY) -> dict[str, str]:
    return signed_headers([secret], "msg_1", timestamp=int(time.time()) - age_s, body=body)


def test_the_receiver_takes_a_message_of_ours(receiver: Receiver):
    assert receiver.post(BODY, signed()) == 204
    assert receiver.printed() == "job.succeeded job_1\n"


def test_it_takes_headers_in_any_case(receiver: Receiver):
    assert receiver.post(BODY, {name.title(): value for name, value in signed().items()}) == 204


OTHERS = generate_secret(random_bytes=bytes)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(BODY, {}, id="unsigned"),
        pytest.param(BODY, signed(OTHERS), id="another's secret"),
        pytest.param(BODY + b" ", signed(), id="a changed body"),
        pytest.param(BODY, signed(age_s=3600), id="an old one"),
        pytest.param(BODY, {**signed(), "webhook-id": "msg_2"}, id="another id"),
        pytest.param(BODY, {**signed(), "webhook-signature": "nonsense"}, id="no signature"),
        pytest.param(BODY, {**signed(), "webhook-signature": "v1,AAAA"}, id="a short signature"),
        pytest.param(b"\xff", signed(body=b"\xff"), id="no text"),
    ],
)
def test_it_refuses_everything_else(receiver: Receiver, body: bytes, headers: dict[str, str]):
    before = receiver.printed()
    assert receiver.post(body, headers) == 401
    assert receiver.printed() == before


def test_it_stands_what_webhooks_certify_tries(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REELQUEUE_WEBHOOK_SECRET", SECRET)
    done = CliRunner().invoke(app, ["webhooks", "certify", f"http://127.0.0.1:{receiver.port}/hooks"])
    assert done.exit_code == 0, done.output
    assert "upstream.degraded None" in receiver.printed()


def test_the_readme_shows_this_very_receiver_in_ten_lines():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert RECEIVER.read_text() in blocks
    lines = [line for line in RECEIVER.read_text().splitlines() if line and not line.startswith(("import", "from"))]
    # One more than ten: `body` has a line of its own, to be read.
    assert len(lines) <= 11


# --- the shell script -------------------------------------------------------------------------------------------------

CURL = """# Stands in for curl: notes what it was called with, and answers as the gateway would.
import json, pathlib, sys
arguments = sys.argv[1:]
config = pathlib.Path(arguments[arguments.index("--config") + 1]).read_text()
with open({log!r}, "a") as log:
    print(json.dumps({{"arguments": arguments, "config": config}}), file=log)
status = {statuses!r}
url = next(one for one in arguments if one.startswith("http"))
if url.endswith("/v1/jobs"):
    print(json.dumps({{"id": "job_1", "status": "queued", "error": None}}))
elif url.endswith("/v1/jobs/job_1"):
    asked = sum(1 for line in open({log!r}) if '/v1/jobs/job_1"' in line)
    now = status[min(asked, len(status)) - 1]
    print(json.dumps({{"id": "job_1", "status": now, "error": {{"code": "no_upstream_token"}}}}))
elif url.endswith("/v1/jobs/job_1/result"):
    pathlib.Path(arguments[arguments.index("--output") + 1]).write_bytes(b"video")
"""


def run_submit(tmp_path: Path, *statuses: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, object]]]:
    tools, log = tmp_path / "tools", tmp_path / "calls"
    tools.mkdir()
    fake = tools / "curl"
    # By way of a shell: the first line of a script cannot name a program whose path has a space in it.
    (tools / "curl.py").write_text(CURL.format(log=str(log), statuses=statuses))
    fake.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(tools / "curl.py"))} "$@"\n')
    fake.chmod(0o755)
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "REELQUEUE_URL": "http://127.0.0.1:1",
        "REELQUEUE_API_KEY": "rq_canary",
    }
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, str(SUBMIT), "photo.jpg", "animate this photo", "clip.mp4"],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, [json.loads(line) for line in log.read_text().splitlines()]


def test_the_script_submits_waits_and_fetches(tmp_path: Path):
    done, calls = run_submit(tmp_path, "rendering", "succeeded")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clip.mp4").read_bytes() == b"video"
    submit, *_ = calls
    assert {"files=@photo.jpg", "instruction=animate this photo"} <= set(submit["arguments"])
    assert [call["arguments"][-1] for call in calls[1:3]] == ["Prefer: wait=30"] * 2
    assert len(calls) == 4


def test_the_script_shows_no_key_to_other_users_of_the_machine(tmp_path: Path):
    _, calls = run_submit(tmp_path, "succeeded")
    assert all(call["config"] == 'header = "Authorization: Bearer rq_canary"\n' for call in calls)
    assert "rq_canary" not in json.dumps([call["arguments"] for call in calls])


def test_the_script_says_why_a_job_failed(tmp_path: Path):
    done, calls = run_submit(tmp_path, "failed")
    assert done.returncode == 1
    assert "no_upstream_token" in done.stderr
    assert len(calls) == 2


def test_the_demo_secret_of_these_tests_is_a_real_one():
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"))) == 32
