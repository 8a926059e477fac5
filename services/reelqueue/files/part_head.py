"""The headers of a form, and of one of its parts (RFC 7578), read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reelqueue.errors import MediaTypeNotSupported, MultipartInvalid

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - HTTP's word for a word
_VALUE: Final = re.compile(rf"\s*({_TOKEN}(?:/{_TOKEN})?)\s*")
_PARAMETER: Final = re.compile(rf';\s*(?:({_TOKEN})=(?:({_TOKEN})|"([^"\\]*(?:\\.[^"\\]*)*)")\s*)?', re.DOTALL)
# Clients that send a file's name raw escape the quote and the backslash; some send the backslash as it is.
_ESCAPED: Final = re.compile(r'\\(["\\])')
# Browsers send quotes and line ends in a file's name like this, and some clients every control character.
_PERCENT: Final = re.compile(r"%(22|[01][0-9A-Fa-f])")
# RFC 2046 §5.1.1.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})
_MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class PartHead:
    """What a part says of itself. `filename` is as the caller wrote it; `None` if the part has none."""

    name: str
    filename: str | None


def boundary_of(content_type: str) -> str:
    """The boundary in a request's Content-Type.

    Raises MediaTypeNotSupported if the body is no form of this kind, and MultipartInvalid without a proper boundary.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise MediaTypeNotSupported
    _, parameters = _parse(content_type, what="Content-Type")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartInvalid("The Content-Type has no valid boundary.")
    return boundary


def read_part_head(headers: Sequence[tuple[str, str]]) -> PartHead:
    """Read a part's headers, given by lower-case name. Others than these three must be ignored (RFC 7578 §4.8).

    The part's Content-Type has to be well formed and is then forgotten: the content decides.
    """
    disposition = _only(headers, "content-disposition")
    if disposition is None:
        raise MultipartInvalid("A part has no Content-Disposition.")
    kind, parameters = _parse(disposition, what="Content-Disposition")
    if kind.lower() != "form-data":
        raise MultipartInvalid("A part is not form-data.")
    if any("*" in name for name in parameters):
        raise MultipartInvalid("A part's name is encoded as forms do not allow (RFC 7578 §4.2).")
    name = parameters.get("name", "")
    if not (0 < len(name) <= _MAX_NAME and name.isprintable()):
        raise MultipartInvalid("A part has no proper name.")
    media_type = _only(headers, "content-type")
    if media_type is not None and "/" not in _parse(media_type, what="Content-Type")[0]:
        raise MultipartInvalid("A part's Content-Type is malformed.")
    encoding = _only(headers, "content-transfer-encoding")
    if encoding is not None and encoding.strip().lower() not in _ENCODINGS:
        raise MultipartInvalid("A part is encoded; send it as it is.")
    filename = parameters.get("filename")
    return PartHead(name, None if filename is None else _PERCENT.sub(lambda found: chr(int(found[1], 16)), filename))


def _only(headers: Sequence[tuple[str, str]], wanted: str) -> str | None:
    values = [value for name, value in headers if name == wanted]
    if len(values) > 1:
        raise MultipartInvalid("A part has the same header twice.")
    return values[0] if values else None


def _parse(text: str, *, what: str) -> tuple[str, dict[str, str]]:
    """A header's value and its parameters, by lower-case name. A parameter given twice is refused."""
    parameters: dict[str, str] = {}
    found = _VALUE.match(text)
    if found is None:
        raise MultipartInvalid(f"A {what} is malformed.")
    value, position = found[1], found.end()
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None:
            raise MultipartInvalid(f"A {what} is malformed.")
        position = found.end()
        if found[1] is None:
            continue  # nothing between two semicolons, or after the last one
        name = found[1].lower()
        if name in parameters:
            raise MultipartInvalid(f"A {what} has the same parameter twice.")
        parameters[name] = found[2] if found[2] is not None else _ESCAPED.sub(r"\1", found[3])
    return value, parameters
