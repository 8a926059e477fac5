"""Links into the upstream's web app, for people (contract §10.4).

A bearer token never stands in a URL: whoever sees the URL would hold the account. What goes into a link is checked by
its form, so that nothing else can be put there by mistake.
"""

from __future__ import annotations

import re
from typing import Final

from reelqueue.domain.upstream import ANONYMOUS_PREFIX, ClaimToken

_ANONYMOUS_ID: Final = re.compile(rf"(?!.*nmv_usr_){ANONYMOUS_PREFIX}[A-Za-z0-9_-]{{1,120}}")
_CLAIM: Final = re.compile(r"(?!.*nmv_usr_)clm_[A-Za-z0-9._~-]{1,500}")


class NotForLinks(ValueError):
    """What was to go into a link is not of the one form that may. The message does not repeat it."""


def registration_link(web_url: str, user_id: str | None) -> str | None:
    """Where an anonymous user registers and keeps the history; `None` for everybody else."""
    if user_id is None or _ANONYMOUS_ID.fullmatch(user_id) is None:
        return None
    return f"{_base(web_url)}/register?bind={user_id}"


def top_up_link(web_url: str) -> str:
    """Where a registered user buys credits. No path is public (contract §14, row 31), so it is the web app itself."""
    return _base(web_url)


def credits_link(web_url: str, user_id: str | None) -> str:
    """What helps when credits are used up: registration for the anonymous, else the web app to top up."""
    return registration_link(web_url, user_id) or top_up_link(web_url)


def claim_link(web_url: str, claim: ClaimToken) -> str:
    """Opens the project in a browser. Only a claim token may go into it; anything else raises `NotForLinks`."""
    if _CLAIM.fullmatch(claim.token) is None:
        raise NotForLinks("not a claim token")
    return f"{_base(web_url)}/workspace/claim?ct={claim.token}"


def _base(web_url: str) -> str:
    """The address of the web app as it was configured, without credentials, query or a slash at its end."""
    scheme, separator, rest = web_url.partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    if not separator or scheme not in {"http", "https"} or not host:
        raise NotForLinks("the web app's address is not an http URL")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".rstrip("/")
