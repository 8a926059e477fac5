from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from reelqueue.webhooks import signing
from reelqueue.webhooks.signing import (
    SecretInvalid,
    SignatureInvalid,
    generate_secret,
    secret_key,
    sign,
    signed_headers,
    verify,
)

pytestmark = pytest.mark.unit

CASES = {
    case["id"]: case
    for case in yaml.safe_load(
        (Path(__file__).parents[2] / "data" / "attacks" / "webhook.yaml").read_text(encoding="utf-8")
    )
    if case["cat"] == "webhook.signature"
}
SECRET = generate_secret()
BODY = b'{"type":"job.succeeded","data":{"job":"job_1"}}'
NOW = 1_790_000_000


def signed(**changes: Any) -> dict[str, Any]:
    headers = signed_headers([SECRET], "msg_1", timestamp=changes.pop("timestamp", NOW), body=BODY)
    return {"headers": headers, "body": BODY, **changes}


def accepts(message: dict[str, Any], *, now: int = NOW, secret: str = SECRET) -> bool:
    try:
        return verify(secret, message["headers"], body=message["body"], now=now) == message["headers"]["webhook-id"]
    except SignatureInvalid:
        return False


# --- published vectors and the public library -----------------------------------------------------------------------


def test_the_vector_of_the_specification():
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_construction_step_by_step():
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    expected = base64.b64encode(hmac.digest(key, b"msg_1.1700000000." + BODY, "sha256")).decode()
    assert sign(secret, "msg_1", timestamp=1700000000, body=BODY) == f"v1,{expected}"


@given(body=st.text(), size=st.integers(24, 64))
def test_what_we_sign_the_library_accepts_and_the_other_way_round(body, size):
    secret = generate_secret(size)
    now = datetime.now(UTC).replace(microsecond=0)
    ours = signed_headers([secret], "msg_1", timestamp=int(now.timestamp()), body=body.encode())
    assert Webhook(secret).verify(body.encode(), ours, json_parse=False) is None
    theirs = {**ours, "webhook-signature": Webhook(secret).sign("msg_1", now, body)}
    assert verify(secret, theirs, body=body.encode(), now=int(now.timestamp())) == "msg_1"


def test_while_a_secret_is_replaced_both_sign():
    old, new = generate_secret(), generate_secret()
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers([new, old], "msg_1", timestamp=now, body=BODY)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
        assert verify(secret, headers, body=BODY, now=now) == "msg_1"
    with pytest.raises(WebhookVerificationError):
        Webhook(generate_secret()).verify(BODY, headers)


# --- the corpus -----------------------------------------------------------------------------------------------------


def with_header(message: dict[str, Any], name: str, value: str | None) -> dict[str, Any]:
    headers = {**message["headers"], name: value}
    return {**message, "headers": {k: v for k, v in headers.items() if v is not None}}


def with_signature(value: str | None) -> dict[str, Any]:
    return with_header(signed(), "webhook-signature", value)


MAC = signed()["headers"]["webhook-signature"]
OTHERS = signed_headers([generate_secret()], "msg_1", timestamp=NOW, body=BODY)["webhook-signature"]

MESSAGES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "WHS-001": ([signed()], True),
    "WHS-002": ([signed(body=BODY[:-1] + b" "), signed(body=BODY + b"\n")], False),
    "WHS-003": ([signed(body=json.dumps(json.loads(BODY)).encode())], False),
    "WHS-004": ([with_header(signed(), "webhook-id", "msg_2")], False),
    "WHS-005": ([with_header(signed(), "webhook-timestamp", str(NOW + 1))], False),
    "WHS-006": ([signed(timestamp=NOW - 301), signed(timestamp=NOW + 301)], False),
    "WHS-009": ([with_signature(None)], False),
    "WHS-010": ([with_signature(text) for text in ("", "v1,", "v1,====", "v1", ",", " ", "\ud800")], False),
    "WHS-012": ([with_signature(" ".join([*(f"v1,{n}" for n in range(9)), MAC]))], True),
    "WHS-013": (
        [with_signature(" ".join(["v1,x"] * 10_000)), with_signature(" ".join([*["v1,x"] * 10_000, MAC]))],
        False,
    ),
    "WHS-014": ([with_signature(OTHERS)], False),
    "WHS-015": ([signed(), signed()], True),
}


def test_the_corpus_is_run_whole():
    assert set(MESSAGES) | {"WHS-019"} == set(CASES)


@pytest.mark.parametrize("case_id", MESSAGES)
def test_messages(case_id):
    messages, accepted = MESSAGES[case_id]
    for message in messages:
        assert accepts(message) is accepted


@pytest.mark.parametrize(
    "secret",
    ["whsec_AAAA", "whsec_", "", "AAAA", "whsec_!!!!", "whsec_" + "é" * 40,
     *("whsec_" + base64.b64encode(b"k" * size).decode() for size in (23, 65)),
     base64.b64encode(b"k" * 32).decode()],
)  # fmt: skip
def test_whs_019_secrets_that_are_refused(secret):
    with pytest.raises(SecretInvalid) as refused:
        secret_key(secret)
    assert len(secret) < 8 or secret[6:] not in str(refused.value)
    assert refused.value.__cause__ is None


# --- the rest -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "accepted"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_the_tolerance_is_five_minutes_both_ways(age, accepted):
    assert accepts(signed(timestamp=NOW - age)) is accepted


@pytest.mark.parametrize("text", ["", "abc", "1e9", "-1", "\uff11\uff17", " 1790000000", "1" * 5000, "nan"])
def test_a_malformed_timestamp_is_refused(text):
    assert not accepts(with_header(signed(), "webhook-timestamp", text))


def test_header_names_may_be_in_any_case():
    message = signed()
    headers = {name.title(): value for name, value in message["headers"].items()}
    assert verify(SECRET, headers, body=BODY, now=NOW) == "msg_1"


def test_every_candidate_is_compared_in_constant_time(monkeypatch):
    compared = []

    def counting(a, b):
        compared.append(b)
        return hmac.compare_digest(a, b)

    class Counting:
        digest, compare_digest = staticmethod(hmac.digest), staticmethod(counting)

    monkeypatch.setattr(signing, "hmac", Counting)
    assert accepts(with_signature(f"{MAC} v1,x v1,y"))
    assert compared == [MAC.encode(), b"v1,x", b"v1,y"]


@pytest.mark.parametrize("message_id", ["", "msg.1", "msg 1", "msg\n1", "msg_é", "m" * 256])
def test_an_id_that_could_be_read_in_two_ways_is_refused(message_id):
    with pytest.raises(ValueError, match="message id"):
        sign(SECRET, message_id, timestamp=NOW, body=BODY)


def test_never_unsigned():
    with pytest.raises(ValueError, match="unsigned"):
        signed_headers([], "msg_1", timestamp=NOW, body=BODY)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_generated_secrets_are_random_and_fit(size):
    made = {generate_secret(size) for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret_key(secret)) == size for secret in made)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_no_secret_of_another_size_is_generated(size):
    with pytest.raises(SecretInvalid):
        generate_secret(size)


def test_an_old_message_can_be_verified_when_asked_to():
    old = signed(timestamp=NOW - int(timedelta(days=1).total_seconds()))
    assert verify(SECRET, old["headers"], body=BODY, now=NOW, tolerance_s=90_000) == "msg_1"
