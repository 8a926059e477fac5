from __future__ import annotations

from reelqueue.domain.sent_headers import MASK, kept_headers

OURS = {
    "content-type": "application/json",
    "user-agent": "Reelqueue-Webhooks/1",
    "webhook-id": "evt_1",
    "webhook-timestamp": "1795458319",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1E",
}


def test_what_is_ours_is_kept_as_it_was_sent() -> None:
    assert kept_headers(OURS) == OURS
    shouted = {name.upper(): value for name, value in OURS.items()}
    assert kept_headers(shouted) == shouted


def test_what_a_customer_set_is_named_and_not_told() -> None:
    custom = {"Authorization": "Bearer canary", "X-Api-Key": "canary", "webhook-id2": "canary", "": "canary"}
    assert kept_headers({**OURS, **custom}) == {**OURS, **dict.fromkeys(custom, MASK)}
