"""A feed, a receiver, and a command between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.feed_gateway import FeedGateway
from fakes.receivers import WebhookReceiver


@pytest.fixture
def gateway() -> Iterator[FeedGateway]:
    with FeedGateway() as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command keeps its secret in this test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("REELQUEUE_WEBHOOK_SECRET", raising=False)
    return tmp_path / "reelqueue"
