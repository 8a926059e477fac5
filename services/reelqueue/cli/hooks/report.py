"""How a receiver did, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from reelqueue.cli.hooks.findings import Finding
from reelqueue.cli.hooks.lines import Lines

_SIGNS: Final = {"ok": ("ok", "green"), "warning": ("look", "yellow"), "wrong": ("WRONG", "bold red")}
_INDENT: Final = "\n" + " " * 7


def show_start(lines: Lines, url: str, *, secret: str, kept: str) -> None:
    """Whom it is about, and what the receiver has to know."""
    lines.say(f"Receiver {url}\nSigned   {secret}\n         kept in {kept}; the receiver verifies with it\n")


def show_finding(lines: Lines, finding: Finding) -> None:
    """One case. What to do about it only where there is something to do."""
    case = finding.case
    sign, style = _SIGNS[finding.verdict]
    line = Text.assemble((f"{sign:<7}", style), f"{case.name:<44}{finding.answers:<10} {finding.slowest_ms:>6} ms")
    if finding.wrong:
        line.append(f"{_INDENT}{finding.wrong} {finding.advice}".rstrip(), style=style)
    lines.show(
        line,
        case=case.name,
        verdict=finding.verdict,
        should=case.should,
        answers=finding.answers,
        ms=finding.slowest_ms,
        wrong=finding.wrong,
        advice=finding.advice,
    )


def show_end(lines: Lines, findings: Sequence[Finding], *, untried: int) -> None:
    """The sum, and what cannot be seen from outside."""
    count = Counter(finding.verdict for finding in findings)
    parts = [f"{count['ok']} ok", f"{count['warning']} to look at", f"{count['wrong']} wrong"]
    words = [", ".join(parts) + "."]
    if untried:
        words.append(
            f"{untried} more were not tried, because it does not take a plain message. "
            "Does it run, and does it verify with the secret above?"
        )
    else:
        repeated = findings[1].case.tries[0].message.id
        words.append(f"What only you can see: {repeated} came twice, and should have been handled once.")
    lines.say("\n" + "\n".join(words), ok=count["ok"], warnings=count["warning"], wrong=count["wrong"], untried=untried)
