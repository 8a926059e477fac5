"""A small client of our own API, for the command line and the demo."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import typer

from reelqueue.domain.retries import parse_retry_after
from reelqueue.kit.http import httpx

DEV_FILE: Final = Path(".dev") / "dev.json"
POLL_S: Final = 0.3
FINAL: Final = frozenset({"succeeded", "failed", "canceled"})
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """Where the gateway is, and who asks."""

    url: str
    key: str = field(repr=False)


def find_api(url: str | None, key: str | None) -> ApiAddress:
    """What was given, else `REELQUEUE_URL` and `REELQUEUE_API_KEY`, else the `reelqueue dev` of this directory."""
    url, key = url or os.environ.get("REELQUEUE_URL"), key or os.environ.get("REELQUEUE_API_KEY")
    if (url is None or key is None) and DEV_FILE.exists():
        dev = json.loads(DEV_FILE.read_text())
        url, key = url or dev["base_url"], key or dev["api_key"]
    if url is None or key is None:
        raise typer.BadParameter("no gateway: set REELQUEUE_URL and REELQUEUE_API_KEY, or start `reelqueue dev` here")
    return ApiAddress(url, key)


class ApiRefused(Exception):
    """The gateway answered with a problem. The message is the problem in words.

    `passing`: the same request may be answered later, not before `retry_after_s`.
    """

    def __init__(self, words: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def passing(self) -> bool:
        """Whether asking again is of use: the gateway was busy, or not well."""
        return self.status in _PASSING


class ApiClient:
    """Talks to one gateway with one key."""

    def __init__(self, api: ApiAddress) -> None:
        self._http = httpx.Client(
            base_url=api.url,
            headers={"Authorization": f"Bearer {api.key}"},
            timeout=httpx.Timeout(connect=5, read=120, write=120, pool=5),
            trust_env=False,
        )

    def submit(
        self, *, files: Sequence[Path] = (), urls: Sequence[str] = (), fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Submit a job with files and URLs; `fields` are the job's other members. Returns the job."""
        inputs = {"inputs": [{"url": url} for url in urls]} if urls else {}
        body = {**fields, **inputs}
        if not files:
            return self._json(self._http.post("/v1/jobs", json=body))
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
        with ExitStack() as stack:
            parts = [("files", (path.name, stack.enter_context(path.open("rb")))) for path in files]
            return self._json(self._http.post("/v1/jobs", data=form, files=parts))

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        return self._json(self._http.get(f"/v1/jobs/{job_id}"))

    def follow(self, job_id: str, *, stop: threading.Event | None = None) -> Iterator[dict[str, Any]]:
        """The job each time it has moved, until it is final or `stop` is set."""
        seen = None
        while stop is None or not stop.is_set():
            job = self.job(job_id)
            now = (job["status"], job["progress"], (job["waiting"] or {}).get("reason"))
            if now != seen:
                yield job
                seen = now
            if job["status"] in FINAL:
                return
            time.sleep(POLL_S)

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """What happened to the job so far."""
        return list(self._json(self._http.get(f"/v1/jobs/{job_id}/events"))["data"])

    def feed(
        self, *, after: int | Literal["latest"], types: Sequence[str] = (), wait_s: int = 0, limit: int = 100
    ) -> dict[str, Any]:
        """The tenant's events behind a position, in order; with none there, those that come within `wait_s`.

        Raises `httpx.TransportError` when the gateway cannot be reached, or goes away while it waits.
        """
        asked: dict[str, str | int] = {"after": after, "wait": wait_s, "limit": limit}
        if types:
            asked["types"] = ",".join(types)
        return self._json(self._http.get("/v1/events", params=asked))

    def test_endpoint(self, endpoint_id: str, kind: str) -> dict[str, Any]:
        """Have a sample of an event sent to an endpoint. Returns what says which event and message it became."""
        return self._json(self._http.post(f"/v1/webhook-endpoints/{endpoint_id}/test", json={"type": kind}))

    def download(self, job_id: str, out: Path) -> int:
        """Write the result to a file; returns its size. An incomplete file is not left behind."""
        partial = out.with_name(out.name + ".part")
        try:
            with self._http.stream("GET", f"/v1/jobs/{job_id}/result") as response, partial.open("wb") as file:
                if response.status_code != 200:
                    response.read()
                    raise _refusal(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
        return out.stat().st_size

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code >= 400:
            raise _refusal(response)
        body: dict[str, Any] = response.json()
        return body


def _refusal(response: httpx.Response) -> ApiRefused:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    retry_after_s = parse_retry_after(response.headers.get("retry-after"), datetime.now(UTC))
    refused = partial(ApiRefused, status=response.status_code, retry_after_s=retry_after_s)
    if not isinstance(problem, dict) or "code" not in problem:
        # Not ours: of a proxy in between.
        return refused(f"HTTP {response.status_code}")
    places = [f"{one.get('pointer')}: {one.get('message')}" for one in problem.get("errors") or []]
    words = [str(problem.get("detail") or problem.get("title")), *places, str(problem.get("fix") or "")]
    return refused(f"{problem['code']}: " + " ".join(word for word in words if word))
