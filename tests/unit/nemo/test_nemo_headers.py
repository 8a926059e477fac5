from __future__ import annotations

from pathlib import Path

import pytest

import reelqueue
from reelqueue.domain.upstream import Credential
from reelqueue.errors import TokenRejected
from reelqueue.nemo import endpoints
from reelqueue.nemo.headers import Attribution, call_headers, redact
from reelqueue.nemo.transport import checked_base_url

WHO = Attribution("reelqueue", "1.2", "server")


def test_the_headers_of_a_call() -> None:
    headers = call_headers(WHO, Credential("t", "nmv_usr_x"), accept="text/event-stream")
    assert dict(headers) == {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "reelqueue/1.2",
        "x-skill-source": "reelqueue",
        "x-skill-version": "1.2",
        "x-skill-platform": "server",
        "authorization": "Bearer nmv_usr_x",
    }
    assert "nmv_usr_x" not in repr(headers)


@pytest.mark.parametrize("token", ["", "a b", "a\nX-Evil: 1", "ü", "x" * 5000])
def test_a_token_that_no_header_carries_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        call_headers(WHO, Credential("t", token))
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("value", ["", " x", "x\r\ny", "ü", "x" * 200])
def test_attribution_must_fit_a_header(value: str) -> None:
    for fields in ((value, "1", "p"), ("s", value, "p"), ("s", "1", value)):
        with pytest.raises(ValueError, match="header"):
            Attribution(*fields)


@pytest.mark.parametrize("client_id", ["", "x" * 65, "a b", "a\n"])
def test_client_ids(client_id: str) -> None:
    with pytest.raises(ValueError, match="client id"):
        call_headers(WHO, None, client_id=client_id)


def test_redaction() -> None:
    credential = Credential("t", "plain-secret")
    assert (
        redact("plain-secret! clm_ab_c, nmv_usr_a.b+c/d=~- end", credential) == "[redacted]! [redacted], [redacted] end"
    )
    assert redact("abc", Credential("t", "b")) == "abc"


@pytest.mark.parametrize("identifier", ["", ".", "..", "..."])
def test_an_id_cannot_leave_its_segment(identifier: str) -> None:
    for path in (
        endpoints.upload,
        endpoints.state,
        endpoints.render,
        endpoints.cancel_render,
        endpoints.download_render,
    ):
        with pytest.raises(ValueError, match="dots"):
            path(identifier)


def test_an_id_is_one_segment() -> None:
    assert endpoints.render("a/../b?c#d") == "/api/render/proxy/lambda/a%2F..%2Fb%3Fc%23d"


@pytest.mark.parametrize(
    "url",
    ["", "ftp://h", "http://", "https://u:p@h", "https://h/?q=1", "https://h/#f", "h:1", "http://[::1", "http://xn--/"],
)
def test_base_urls_that_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        checked_base_url(url)


def test_base_urls_that_are_taken() -> None:
    assert checked_base_url("https://h:1/prefix/") == "https://h:1/prefix"


def test_paths_of_the_upstream_stand_in_one_file() -> None:
    package = Path(reelqueue.__file__).parent
    holders = {
        path.name
        for path in (package / "nemo").rglob("*.py")
        if any(piece in path.read_text("utf-8") for piece in ('"/api/', '"/run_sse', "nemo_agent"))
    }
    assert holders == {"endpoints.py"}
