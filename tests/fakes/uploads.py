"""Multipart bodies: ordinary ones, and those of the cases in tests/data/attacks/upload.yaml."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fakes import hostile_media, media

BOUNDARY = "fake-boundary-5f0d1c"
CASES_FILE = Path(__file__).parents[1] / "data" / "attacks" / "upload.yaml"
NEEDS_A_SERVER = frozenset({"UPB-041", "UPB-042", "UPB-043", "UPB-057"})
"""Cases about Content-Length, aborts, slowness and quotas: no body alone can show them."""
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class Upload:
    """One request body, with the Content-Type that goes with it."""

    content_type: str
    body: bytes

    def chunks(self, size: int = 65_536) -> Iterator[bytes]:
        for start in range(0, len(self.body), size):
            yield self.body[start : start + size]


def cases() -> list[dict[str, Any]]:
    return list(yaml.safe_load(CASES_FILE.read_text())["cases"])


def escaped(filename: str) -> str:
    """As browsers and HTTP clients write a name into a header: quotes and controls in percent form."""
    special = {chr(code): f"%{code:02X}" for code in (*range(0x20), 0x22)}
    return "".join(special.get(character, character) for character in filename)


def disposition(name: str, filename: str | None = None) -> str:
    tail = "" if filename is None else f'; filename="{escaped(filename)}"'
    return f'form-data; name="{name}"{tail}'


def part(content: bytes, *headers: str) -> bytes:
    return b"".join(header.encode() + b"\r\n" for header in headers) + b"\r\n" + content


def file_part(
    filename: str, content: bytes, *, name: str = "files", media_type: str = "application/octet-stream"
) -> bytes:
    return part(content, f"Content-Disposition: {disposition(name, filename)}", f"Content-Type: {media_type}")


def field_part(name: str, text: str) -> bytes:
    return part(text.encode(), f"Content-Disposition: {disposition(name)}")


def form(*parts: bytes, boundary: str = BOUNDARY) -> Upload:
    line = f"--{boundary}".encode()
    body = b"".join(line + b"\r\n" + one + b"\r\n" for one in parts) + line + b"--\r\n"
    return Upload(f"multipart/form-data; boundary={boundary}", body)


def upload_of(case: Mapping[str, Any]) -> Upload:
    """The request of one case."""
    given = dict(case["input"])
    if "boundary" in given:
        boundary = given["boundary"]
        return form(file_part("x.png", media.png()), boundary=boundary["s"] * boundary["n"])
    special = _SPECIAL.get(given.get("gen", ""))
    if special is not None:
        given.pop("gen")
        return special(**given)
    if "raw_header" in given:
        return form(part(media.png(), f"Content-Disposition: {given['raw_header']}"))
    if "content" in given:
        content = _content(given["content"])
        return form(file_part(given["filename"], content, media_type=given.get("part_content_type", "image/png")))
    extension, content = _generated(given)
    return form(file_part(f"x.{extension}", content))


def _content(spec: Mapping[str, Any]) -> bytes:
    if "hex" in spec:
        return bytes.fromhex(spec["hex"]).ljust(spec["pad_to"], b"\0")
    return _generated(spec)[1]


def _generated(spec: Mapping[str, Any]) -> tuple[str, bytes]:
    arguments = {
        name: math.isqrt(MAX_PIXELS) if value == "sqrt(max_pixels)" else value
        for name, value in spec.items()
        if name != "gen"
    }
    if spec["gen"] == "concat":
        first = arguments["parts"][0]
        return {"jpeg": "jpg"}.get(first, first), hostile_media.concat(**arguments)
    extension, build = hostile_media.BUILDERS[spec["gen"]]
    return extension, build(**arguments)


def _part_headers(n: int) -> Upload:
    headers = [f"X-{number}: 1" for number in range(n)]
    return form(part(media.png(), f"Content-Disposition: {disposition('files', 'x.png')}", *headers))


def _preamble(n: int) -> Upload:
    whole = form(file_part("x.png", media.png()))
    return Upload(whole.content_type, b"x" * n + b"\r\n" + whole.body)


def _boundary_echo(n: int, boundary: str = BOUNDARY) -> Upload:
    near_miss = f"\r\n--{boundary}x".encode()
    return form(file_part("x.png", media.png() + near_miss * (n // len(near_miss))), boundary=boundary)


def _truncated() -> Upload:
    whole = form(file_part("x.png", media.png()))
    return Upload(whole.content_type, whole.body[: whole.body.rindex(b"\r\n--")])


_SPECIAL = {
    "part_headers": _part_headers,
    "preamble": _preamble,
    "boundary_echo": _boundary_echo,
    "truncated_multipart": _truncated,
}
