"""Uploaded files: checked by name and size, kept by their hash, put into the session's state (`contract §4.4`)."""

import asyncio
import hashlib
import mimetypes
import os
import secrets
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final
from urllib.parse import quote, unquote, urlsplit

import av
import av.error
import httpx

from nemotwin.errors import CodeError, code_refusal
from nemotwin.sessions import Asset, FileType, Session
from nemotwin.settings import Dials

TYPES: Final[Mapping[str, FileType]] = {
    **dict.fromkeys((".mp4", ".mov", ".avi", ".webm", ".mkv"), "video"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".webp"), "image"),
    **dict.fromkeys((".mp3", ".wav", ".m4a", ".aac"), "audio"),
}
FETCH_SECONDS: Final = 30.0
_CHUNK: Final = 1 << 20


class Uploads:
    """Stores files under `folder`."""

    def __init__(self, folder: Path, *, dials: Dials) -> None:
        """Make the folder if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._dials = dials
        self.cdn_url = ""

    def check(self, filename: str, size: int | None) -> None:
        """Raise code 4001 for a name that is not accepted, 4002 for a size that is not."""
        if PurePosixPath(filename).suffix.lower() not in TYPES:
            raise CodeError(4001, f"unsupported file type: {PurePosixPath(filename).suffix or 'none'}")
        if size is not None and size > self._dials.now.upload_limit_bytes:
            raise CodeError(4002)

    async def store(
        self, session: Session, filename: str, source: BinaryIO, *, applied: bool = True
    ) -> tuple[Asset, dict[str, Any]]:
        """Keep a file that `check` let pass; return it and its entry in `files` and `video_infos`.

        If it is not `applied`, the session and its agent know nothing of it.
        """
        suffix = PurePosixPath(filename).suffix.lower()
        path, sha256, size = await asyncio.to_thread(self._write, source, suffix)
        asset = Asset(
            number=len(session.assets) + 1,
            filename=filename,
            file_type=TYPES[suffix],
            sha256=sha256,
            path=str(path),
            size=size,
        )
        probed = {} if asset.file_type == "image" else await asyncio.to_thread(_probe, path)
        info = {
            "filename": filename,
            "file_type": asset.file_type,
            "cdn_url": f"{self.cdn_url}/uploads/{path.name}/{quote(filename, safe='')}",
            **probed,
            "hash": sha256,
        }
        if applied:
            session.assets.append(asset)
        return asset, info

    async def fetch(self, url: str) -> tuple[str, Path]:
        """Fetch a URL into a temporary file, which the caller removes; return a file name and the path.

        Refuses with 400 what cannot be fetched, and as `check` does.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            raise code_refusal(400, "url not reachable")
        path = self.folder / f".fetch-{secrets.token_hex(8)}"
        try:
            async with (
                httpx.AsyncClient(follow_redirects=True, timeout=FETCH_SECONDS, trust_env=False) as client,
                client.stream("GET", url) as response,
            ):
                response.raise_for_status()
                filename = _filename(parts.path, response.headers.get("content-type", ""))
                self.check(filename, None)
                await self._receive(response, filename, path)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            path.unlink(missing_ok=True)
            raise code_refusal(400, "url not reachable") from error
        except CodeError:
            path.unlink(missing_ok=True)
            raise
        return filename, path

    async def _receive(self, response: httpx.Response, filename: str, path: Path) -> None:
        size = 0
        with path.open("wb") as file:
            async for chunk in response.aiter_bytes(_CHUNK):
                size += len(chunk)
                self.check(filename, size)
                file.write(chunk)

    def _write(self, source: BinaryIO, suffix: str) -> tuple[Path, str, int]:
        partial = self.folder / f".part-{secrets.token_hex(8)}"
        digest, size = hashlib.sha256(), 0
        with partial.open("wb") as file:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        path = self.folder / f"{digest.hexdigest()}{suffix}"
        partial.replace(path)
        return path, digest.hexdigest(), size


def _filename(path: str, content_type: str) -> str:
    """Name a fetched file by its URL, or by its type where the URL has no usable name."""
    name = PurePosixPath(unquote(path)).name or "download"
    if PurePosixPath(name).suffix.lower() in TYPES:
        return name
    guessed = mimetypes.guess_extension(content_type.partition(";")[0].strip()) or ""
    return name + guessed if guessed in TYPES else name


def _probe(path: Path) -> dict[str, Any]:
    """Return what is known of a film or a sound; nothing where it cannot be read."""
    try:
        with av.open(os.fspath(path)) as container:
            probed: dict[str, Any] = {}
            if container.duration is not None:
                probed["duration"] = round(container.duration / av.time_base, 2)
            if container.streams.video:
                stream = container.streams.video[0]
                probed |= {"width": stream.width, "height": stream.height}
                if stream.average_rate is not None:
                    rate = round(float(stream.average_rate), 2)
                    probed["fps"] = int(rate) if rate.is_integer() else rate
            return probed
    except (av.error.FFmpegError, ValueError):
        return {}
