"""The library that most receivers have."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from svix.webhooks import Webhook, WebhookVerificationError

from reelqueue.domain.signing_keys import signing_key
from reelqueue.webhooks.signing import generate_secret, signed_headers

pytestmark = pytest.mark.unit

BODY = json.dumps({"type": "job.succeeded", "data": {"seq": 3, "note": "schöne Grüße"}}, ensure_ascii=False).encode()


def test_svix_accepts_what_we_sign_while_secrets_are_replaced_and_beside_v1a():
    new, old = generate_secret(), generate_secret()
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers([new, signing_key(bytes(32)), old], "evt_1", timestamp=now, body=BODY)
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers) is None  # it raises, or says nothing
    with pytest.raises(WebhookVerificationError):
        Webhook(generate_secret()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY + b" ", headers)
