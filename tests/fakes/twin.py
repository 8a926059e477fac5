"""The twin as a process, and a client that speaks to it as a caller of the API would."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import httpx
from PIL import Image

ATTRIBUTION = {"X-Skill-Source": "tests", "X-Skill-Version": "1", "X-Skill-Platform": "unknown"}
LOCAL = {"trust_env": False, "verify": False}
"""Everything is plain HTTP on loopback: without certificates to load a client is made in no time."""

SPEED = 2000
DEADLINE = 20.0


def until(look, *, seconds=DEADLINE):
    """Look again and again until there is something to see."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if seen := look():
            return seen
        time.sleep(0.01)
    raise AssertionError("it never came")


def picture(colour="teal", size=(120, 90)):
    """Return the bytes of a PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


class Process:
    """A twin that runs until it is stopped."""

    def __init__(self, folder, *arguments):
        ready = folder / f"ready-{time.monotonic_ns()}.json"
        command = [sys.executable, "-m", "nemotwin", "--ready-file", str(ready), *map(str, arguments)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until(lambda: ready.exists() or self._process.poll() is not None)
        self.ready = json.loads(ready.read_text())
        self.url, self.cdn_url, self.pid = self.ready["url"], self.ready["cdn_url"], self.ready["pid"]

    def stop(self, signum=signal.SIGTERM):
        """Stop it; return the exit code and what it wrote to stderr."""
        if self._process.poll() is None:
            os.kill(self.pid, signum)
        _, written = self._process.communicate(timeout=DEADLINE)
        return self._process.returncode, written.decode()


class Twin:
    """What a test does with a running twin."""

    def __init__(self, process):
        self.process = process
        self.url, self.cdn_url = process.url, process.cdn_url
        self.http = httpx.Client(base_url=process.url, **LOCAL, timeout=DEADLINE)

    def close(self):
        self.http.close()

    def control(self, path, **body):
        answer = self.http.post(f"/_twin/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def settings(self, **changes):
        return self.control("settings", **changes)

    def fault(self, endpoint, fault, **parameters):
        return self.control("faults", endpoint=endpoint, fault=fault, **parameters)

    def ledger(self, **query):
        return self.http.get("/_twin/ledger", params=query).json()

    def user(self, **account):
        return User(self, self.control("tokens", **account)["token"])


class User:
    """A caller with a token."""

    def __init__(self, twin, token, headers=ATTRIBUTION):
        self.twin = twin
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}", **headers}

    def get(self, path, **options):
        return self.twin.http.get(path, headers=self.headers, **options)

    def post(self, path, **options):
        return self.twin.http.post(path, headers=self.headers, **options)

    def balance(self):
        return self.get("/api/credits/balance/simple").json()["data"]

    def session(self, language="en"):
        body = {"task_name": "project", "language": language}
        data = self.post("/api/tasks/me/with-session/nemo_agent", json=body).json()["data"]
        return Project(self, data["session_id"], data["task_id"])

    def project(self):
        """A session with a picture in it."""
        project = self.session()
        project.upload(("photo.png", picture()))
        return project


class Project:
    """A session of a user."""

    def __init__(self, user, session_id, task_id):
        self.user = user
        self.session_id = session_id
        self.task_id = task_id

    @property
    def upload_path(self):
        return f"/api/upload-video/nemo_agent/me/{self.session_id}"

    def upload(self, *files):
        answer = self.user.post(self.upload_path, files=[("files", file) for file in files])
        return answer.json()

    def body(self, text, **more):
        message = {"parts": [{"text": text}]}
        return {
            "app_name": "nemo_agent",
            "user_id": "me",
            "session_id": self.session_id,
            "new_message": message,
            **more,
        }

    def open(self, text, *, client=None, **more):
        """Open the stream of a turn."""
        headers = {**self.user.headers, "Accept": "text/event-stream"}
        http = client or self.user.twin.http
        return http.stream("POST", "/run_sse", json=self.body(text, **more), headers=headers)

    def say(self, text, **more):
        """Send a message; return the stream's bytes."""
        with self.open(text, **more) as stream:
            return stream.read()

    def events(self, text, **more):
        return decoded(self.say(text, **more))

    def cut(self, text):
        """Send a message to a stream that breaks; return what came and the error's type."""
        received = b""
        with httpx.Client(base_url=self.user.twin.url, **LOCAL, timeout=DEADLINE) as client:
            try:
                with self.open(text, client=client) as stream:
                    for chunk in stream.iter_raw():
                        received += chunk
            except httpx.TransportError as error:
                return received, type(error)
        return received, None

    def leave(self, text):
        """Send a message, read the first bytes and go away."""
        with (
            httpx.Client(base_url=self.user.twin.url, **LOCAL, timeout=DEADLINE) as client,
            self.open(text, client=client) as stream,
        ):
            return next(stream.iter_raw())

    def state(self):
        return self.user.get(f"/api/state/nemo_agent/me/{self.session_id}/latest").json()["data"]["state"]

    def turns(self):
        return self.user.twin.ledger(only="turns", session_id=self.session_id)["turns"]

    def ended_turn(self):
        """Wait until the last turn is over, and return its line in the ledger."""
        return until(lambda: next((turn for turn in self.turns()[-1:] if turn["outcome"] != "running"), None))

    def charges(self):
        charges = self.user.twin.ledger(only="charges", session_id=self.session_id)["charges"]
        return [(charge["kind"], charge["amount"], charge["outcome"]) for charge in charges]

    def submit(self, render_id="render_1", *, path="lambda", **output):
        body = {"id": render_id, "sessionId": self.session_id, "draft": self.state()["draft"], "output": output}
        return self.user.post(f"/api/render/proxy/{path}", json=body)

    def poll(self, render_id="render_1"):
        return self.user.get(f"/api/render/proxy/lambda/{render_id}").json()

    def rendered(self, render_id="render_1"):
        """Wait until a render is over, and return its data."""

        def look():
            data = self.poll(render_id)["data"]
            return data if data["status"] not in {"pending", "processing"} else None

        return until(look)


def decoded(received):
    """Return the JSON payloads of a stream, heartbeats left out."""
    frames = [frame for frame in received.decode().split("\n\n") if frame.startswith("data: {")]
    payloads = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    return [payload for payload in payloads if payload.get("type") != "heartbeat"]


def texts(events):
    """Return what a user would read."""
    parts = [part for event in events for part in event.get("content", {}).get("parts", [])]
    return [part["text"] for part in parts if part.get("text") and not part.get("thought")]
