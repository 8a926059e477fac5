"""Samples of events, sent from here."""

from __future__ import annotations

from datetime import datetime

from reelqueue.cli.hooks.lines import Lines
from reelqueue.cli.hooks.secret import local_secret
from reelqueue.cli.hooks.sending import Message, forwarder_to, sample_message
from reelqueue.domain.samples import sample_payload
from reelqueue.kit.ids import new_id


def sample(kind: str) -> Message:
    """A sample of now that no receiver has seen yet. Raises `ValidationFailed` for a type that there is not."""
    return sample_message(new_id("event"), sample_payload(kind, at=datetime.now().astimezone()))


def forward_sample(kind: str, url: str, lines: Lines) -> bool:
    """Send one and show its line. Says whether it was taken."""
    message = sample(kind)
    secret, kept = local_secret()
    lines.say(f"Signed   {secret}\n         kept in {kept}")
    at = datetime.now().astimezone()
    outcome = forwarder_to(url, secret).send(message)
    lines.sent(message, outcome, at=at)
    return outcome.delivered
