"""What `reelqueue listen` does from its start to Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reelqueue.cli.client import ApiClient
from reelqueue.cli.hooks.feed import Feed
from reelqueue.cli.hooks.keyboard import keys
from reelqueue.cli.hooks.lines import Lines
from reelqueue.cli.hooks.listen import Listener, key_handler
from reelqueue.cli.hooks.secret import local_secret
from reelqueue.cli.hooks.sending import forwarder_to

_ENDING: Final = ("SIGTERM", "SIGHUP", "SIGBREAK")
"""Windows has no SIGHUP; a closed console is a SIGBREAK there, which nobody else has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What to follow, and where to. `begin` is the first position wanted; `None`: what comes from now on."""

    api_url: str
    forward_to: str
    types: tuple[str, ...]
    begin: int | None


def follow(client: ApiClient, wanted: Following, lines: Lines) -> None:
    """Forward until Ctrl-C, SIGTERM or `q`, and say where to go on. Raises `ApiRefused` and transport errors."""
    secret, kept = local_secret()
    feed = Feed(client, types=wanted.types)
    after = feed.newest() if wanted.begin is None else max(wanted.begin - 1, 0)
    listener = Listener(feed, forwarder_to(wanted.forward_to, secret), lines)
    with _ended_by_signals(), keys(key_handler(listener)) as keyboard:
        _welcome(lines, wanted, after=after, secret=secret, kept=kept, keyboard=keyboard)
        try:
            listener.run(after)
        except KeyboardInterrupt:
            pass
        finally:
            _farewell(lines, listener)


def _welcome(lines: Lines, wanted: Following, *, after: int, secret: str, kept: str, keyboard: bool) -> None:
    which = ", ".join(wanted.types) or "all events"
    lines.say(
        f"From     {wanted.api_url}, {which}, from position {after + 1} on\n"
        f"To       {wanted.forward_to}\n"
        f"Signed   {secret}\n"
        f"         kept in {kept}; verify with it as with an endpoint's secret\n"
        + ("r sends the last one again, q or Ctrl-C ends.\n" if keyboard else "Keys are not read here. Ctrl-C ends.\n"),
        # A pipe often ends in a log, so the secret stays out of it.
        listening=wanted.api_url,
        types=list(wanted.types),
        forward_to=wanted.forward_to,
        begin=after + 1,
        secret_in=kept,
    )


def _farewell(lines: Lines, listener: Listener) -> None:
    failed = f", {listener.failed} of them not taken" if listener.failed else ""
    lines.say(
        f"\nEnded. {listener.sent} sent{failed}. To go on from here: --from {listener.position + 1}",
        sent=listener.sent,
        failed=listener.failed,
        next=listener.position + 1,
    )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """What asks a process to end ends the block as Ctrl-C does, so that the terminal is put back in order."""
    there = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.default_int_handler) for number in there}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
