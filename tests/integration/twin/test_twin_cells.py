"""Every fault at every endpoint where it makes sense: it strikes once, and the twin is well afterwards."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fakes.twin import LOCAL, Twin, picture, until
from nemotwin.mishaps import CATALOG

FOREVER = {"hang", "hang_after"}
PATIENCE = 0.4
"""How long a caller waits for an answer that never comes."""

ENDS = {"token_expires", "token_expires_after", "token_revoked", "session_lost", "session_lost_after"}
"""These end the token or the session for good."""


class Stage:
    """A project in which everything has happened once, so that every call has something to work on."""

    def __init__(self, twin):
        self.twin = twin
        self.user = twin.user(credits=1_000_000)
        self.project = self.user.project()
        self.project.say("animate this photo")
        self.renders = itertools.count(1)
        self.done = f"done_{self.project.session_id}"
        self.project.submit(self.done)
        self.film = self.project.rendered(self.done)["outputUrl"]

    def call(self, endpoint):
        """Make one call; return its status, or the name of the transport's error."""
        timeout = httpx.Timeout(20, read=PATIENCE if self.impatient else 20)
        try:
            with httpx.Client(base_url=self.twin.url, **LOCAL, timeout=timeout, headers=self.user.headers) as http:
                return getattr(self, endpoint)(http).status_code
        except httpx.TransportError as error:
            return type(error).__name__

    impatient = False

    def anonymous_token(self, http):
        return http.post("/api/auth/anonymous-token", headers={"X-Client-Id": "c"})

    def create_session(self, http):
        return http.post("/api/tasks/me/with-session/nemo_agent", json={})

    def run_sse(self, http):
        return http.post("/run_sse", json=self.project.body("add a title 'A'"))

    def upload(self, http):
        return http.post(self.project.upload_path, files=[("files", ("b.png", picture("red", (8, 8))))])

    def credits(self, http):
        return http.get("/api/credits/balance/simple")

    def state(self, http):
        return http.get(f"/api/state/nemo_agent/me/{self.project.session_id}/latest")

    def render_submit(self, http):
        draft = {"t": [{"tt": 0, "sg": [{"d": 500}]}]}
        body = {"id": f"{self.done}_{next(self.renders)}", "sessionId": self.project.session_id, "draft": draft}
        return http.post("/api/render/proxy/lambda", json=body)

    def render_status(self, http):
        return http.get(f"/api/render/proxy/lambda/{self.done}")

    def render_download(self, http):
        return http.get(f"/api/render/proxy/{self.done}/download")

    def render_cancel(self, http):
        return http.post(f"/api/render/proxy/lambda/{self.done}/cancel")

    def claim_token(self, http):
        body = {"task_id": self.project.task_id, "session_id": self.project.session_id}
        return http.post("/api/auth/claim-token", json=body)

    def cdn(self, http):
        return httpx.get(self.film, **LOCAL, timeout=http.timeout)


@pytest.fixture(scope="module")
def module_twin(twin_process):
    running = Twin(twin_process)
    running.control("reset")
    # So fast that fifteen minutes are over in no time, and the tiny film is all there is to encode.
    running.settings(instant=True, speed=100_000, silent_rate=0.0, anonymous_repeat="same_token", heartbeat="none")
    yield running
    running.control("reset")
    running.close()


@pytest.fixture(scope="module")
def shared(module_twin):
    return Stage(module_twin)


@pytest.mark.parametrize("name", [name for name in CATALOG if name not in FOREVER])
def test_it_strikes_once_wherever_it_can(module_twin, shared, name):
    more = {"megabytes": 1} if "megabytes" in CATALOG[name].parameters else {}
    for endpoint in CATALOG[name].endpoints:
        stage = Stage(module_twin) if name in ENDS else shared
        armed = module_twin.fault(endpoint, name, **more)
        stage.call(endpoint)
        if name == "refused":
            until(lambda: reachable(module_twin))
        view = next(fault for fault in listed(module_twin) if fault["id"] == armed["id"])
        assert view["struck"] == 1, endpoint
        if name not in ENDS:
            again = stage.call(endpoint)
            assert again == (409 if endpoint == "render_cancel" else 200), endpoint
        module_twin.http.delete("/_twin/faults")
    settled(module_twin)


def test_what_never_answers_does_so_everywhere(module_twin):
    stage = Stage(module_twin)
    stage.impatient = True
    for name in sorted(FOREVER):
        for endpoint in CATALOG[name].endpoints:
            module_twin.fault(endpoint, name)
        with ThreadPoolExecutor(12) as pool:
            seen = dict(zip(CATALOG[name].endpoints, pool.map(stage.call, CATALOG[name].endpoints), strict=True))
        assert set(seen.values()) == {"ReadTimeout"}, seen
        until(lambda: all(fault["struck"] == 1 for fault in listed(module_twin)))
        module_twin.http.delete("/_twin/faults")
    settled(module_twin)


def listed(twin):
    return twin.http.get("/_twin/faults").json()["armed"]


def reachable(twin):
    try:
        return twin.http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def settled(twin):
    """No turn hangs about, and no fault has thrown an error into the twin."""
    until(lambda: twin.http.get("/healthz").json()["turns"] == 0)
