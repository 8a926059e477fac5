"""A URL as the one place it leads to. The only parser of outgoing URLs: no other library reads them again."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import quote, urljoin

from reelqueue.egress.addresses import Address
from reelqueue.egress.hosts import parse_host
from reelqueue.errors import UrlInvalid

MAX_URL_BYTES: Final = 8192
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65535

_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[1-9][0-9]{0,4}))?")
_C1: Final = range(0x7F, 0xA0)

# What stays as it came in a path and query, escapes included: a signed URL must not change. Browsers do the same.
_TARGET_SAFE: Final = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?%[]|"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes. `host` is canonical (see `hosts`); `address` is set if the URL named an address.

    `target` is the path and query as they are sent. It may hold a secret of the tenant: do not log it.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    target: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"{self._bracketed_host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The `Host` header: the port only if it is not the scheme's own."""
        return self._bracketed_host if self.port == _DEFAULT_PORTS[self.scheme] else self.authority

    @property
    def url(self) -> str:
        """The canonical URL. `parse(d.url) == d`."""
        return f"{self.scheme}://{self.host_header}{self.target}"

    @property
    def _bracketed_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse(url: str) -> Destination:
    """Read an absolute http(s) URL strictly. The fragment is dropped; the path is not normalised.

    Says nothing about whether the place may be called: that is `EgressPolicy.destination`.
    Raises `UrlInvalid`; its message never holds the URL.
    """
    _refuse_characters(url)
    match = _URL.match(url)
    if match is None or match["scheme"].lower() not in _DEFAULT_PORTS:
        raise UrlInvalid("Only absolute http and https URLs can be called.")
    scheme = cast("Literal['http', 'https']", match["scheme"].lower())
    if "@" in match["authority"]:
        raise UrlInvalid("A URL with a user name or password is not accepted.")
    authority = _AUTHORITY.fullmatch(match["authority"])
    if authority is None:
        raise UrlInvalid("The host or the port is malformed.")
    port = int(authority["port"] or _DEFAULT_PORTS[scheme])
    if port > _MAX_PORT:
        raise UrlInvalid("There is no such port.")
    host, address = parse_host(authority["host"])
    target = quote(match["rest"] if match["rest"].startswith("/") else "/" + match["rest"], safe=_TARGET_SAFE)
    if len(target) > MAX_URL_BYTES:
        raise UrlInvalid("The URL is too long.")
    return Destination(scheme, host, port, target, address)


def follow(origin: Destination, location: str) -> Destination:
    """Where a `Location` header leads from there. Raises `UrlInvalid`."""
    if not location:
        raise UrlInvalid("The redirect leads nowhere.")
    _refuse_characters(location)
    if _SCHEME.match(location):
        return parse(location)
    if location.startswith("//"):
        return parse(f"{origin.scheme}:{location}")
    return parse(urljoin(origin.url, location))


def _refuse_characters(url: str) -> None:
    """Refuse what parsers disagree about: browsers drop tabs and turn backslashes, others do not."""
    try:
        size = len(url.encode())
    except UnicodeEncodeError as error:
        raise UrlInvalid("The URL is no valid text.") from error
    if size > MAX_URL_BYTES:
        raise UrlInvalid("The URL is too long.")
    if any(char == "\\" or char.isspace() or ord(char) < 0x20 or ord(char) in _C1 for char in url):
        raise UrlInvalid("The URL holds a space, a control character or a backslash.")
