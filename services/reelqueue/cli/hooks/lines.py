"""What is shown of messages as they are sent: a line each for people, a JSON object each for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text

from reelqueue.cli.hooks.sending import Message, words_of
from reelqueue.webhooks.sender import DeliveryOutcome

_MOST_WORDS: Final = 120


class Lines:
    """Writes to one console. For people if that is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def for_people(self) -> bool:
        """Whether a person reads along."""
        return self._console.is_terminal

    def say(self, text: str, **told: Any) -> None:
        """A remark. Programs get `told` instead, if there is any."""
        self.show(Text(text), **told)

    def show(self, text: Text, **told: Any) -> None:
        """As `say`, with colours."""
        if self.for_people:
            self._console.print(text, soft_wrap=True)
        elif told:
            typer.echo(json.dumps(told))

    def sent(self, message: Message, outcome: DeliveryOutcome, *, at: datetime, again: bool = False) -> None:
        """One try."""
        line = line_of(message, outcome, at=at, again=again)
        self.show(line, **_document(message, outcome, at=at, again=again))


def line_of(message: Message, outcome: DeliveryOutcome, *, at: datetime, again: bool = False) -> Text:
    """Time, position, type, job, the event's number in it, status, milliseconds, and why not."""
    style = "green" if outcome.delivered else "red"
    position = "" if message.position is None else str(message.position)
    number = "" if message.job_seq is None else f"#{message.job_seq}"
    line = Text(f"{at:%H:%M:%S} {position:>5}  {message.type:<18} {message.job_id or '-':<30} {number:<4} ")
    line.append(f"{outcome.status or '---'}", style=style)
    line.append(f" {outcome.elapsed_ms:>5} ms")
    if words := words_of(outcome):
        line.append(f"  {words[:_MOST_WORDS]}", style=style)
    if again:
        line.append("  again", style="dim")
    return line


def _document(message: Message, outcome: DeliveryOutcome, *, at: datetime, again: bool) -> dict[str, Any]:
    return {
        "at": at.isoformat(timespec="milliseconds"),
        "id": message.id,
        "position": message.position,
        "type": message.type,
        "job": message.job_id,
        "seq": message.job_seq,
        "status": outcome.status,
        "ms": outcome.elapsed_ms,
        "delivered": outcome.delivered,
        "error": outcome.error_class,
        "again": again,
    }
