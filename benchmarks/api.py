"""The smallest clients of our API and of the twin's control routes."""

from __future__ import annotations

import http.client
import json
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from benchmarks.crew import Account
from benchmarks.patience import ROOT, BenchmarkFailed

PICTURE: Final = ROOT / "examples" / "pictures" / "dusk_hills.png"
INSTRUCTION: Final = "Animate this photo into a 5-second cinematic video"


class Api:
    """One kept connection to a gateway."""

    def __init__(self, base_url: str, account: Account) -> None:
        where = urlsplit(base_url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {account.api_key}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def submit(self, **fields: Any) -> str:
        """The id of a new job."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        job_id: str = self._post("/v1/jobs", json.dumps(fields).encode(), headers, status=202)["id"]
        return job_id

    def cancel(self, job_id: str) -> None:
        """End a job that no worker has taken yet."""
        self._post(f"/v1/jobs/{job_id}/cancel", b"", {}, status=200)

    def keep(self, path: Path = PICTURE) -> str:
        """The id of a file that was uploaded as an asset."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        asset_id: str = self._post("/v1/assets", body, headers, status=201)["data"][0]["id"]
        return asset_id

    def _post(self, path: str, body: bytes, headers: dict[str, str], *, status: int) -> dict[str, Any]:
        self._connection.request("POST", path, body, {**self._headers, **headers})
        response = self._connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != status:
            raise BenchmarkFailed(f"POST {path} was answered with {response.status}: {answer}")
        return answer


def twin_ledger(twin_url: str, only: str) -> list[dict[str, Any]]:
    """One kind of lines of the twin's ledger, oldest first."""
    lines: list[dict[str, Any]] = _ask(twin_url, "GET", f"/_twin/ledger?only={only}")[only]
    return lines


def twin_settings(twin_url: str, **changes: Any) -> None:
    """Change what the twin does."""
    _ask(twin_url, "POST", "/_twin/settings", changes)


def turns_running(twin_url: str) -> int:
    """How many turns the twin is playing."""
    running: int = _ask(twin_url, "GET", "/healthz")["turns"]
    return running


def _ask(base_url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    where = urlsplit(base_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise BenchmarkFailed(f"{method} {path} was answered with {response.status}: {answer}")
    return answer
