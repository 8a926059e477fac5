"""Which pages are made, and the places in pages written by hand that are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from reelqueue.dev.docs.commands import commands_page
from reelqueue.dev.docs.deliveries import schedule_table
from reelqueue.dev.docs.errors import errors_page
from reelqueue.dev.docs.events import event_table, events_page
from reelqueue.dev.docs.metrics import metrics_table
from reelqueue.dev.docs.network_policy import firewall_rules, network_policy
from reelqueue.dev.docs.scenarios import scenario_table
from reelqueue.dev.docs.settings import env_example, settings_page
from reelqueue.dev.docs.statuses import status_page

Pages: TypeAlias = Mapping[str, Callable[[], str]]
Blocks: TypeAlias = Mapping[str, Pages]

PAGES: Final[Pages] = MappingProxyType(
    {
        "docs/status-machine.md": status_page,
        "docs/settings.md": settings_page,
        "docs/errors.md": errors_page,
        "docs/events.md": events_page,
        "docs/cli.md": commands_page,
        ".env.example": env_example,
        "deploy/network-policy.yaml": network_policy,
    }
)
"""Whole files."""

BLOCKS: Final[Blocks] = MappingProxyType(
    {
        "docs/operations.md": {"firewall": firewall_rules, "metrics": metrics_table},
        "docs/scenarios.md": {"scenarios": scenario_table},
        "docs/webhooks.md": {"events": event_table, "schedule": schedule_table},
    }
)
"""Parts of files, between `<!-- begin: name -->` and `<!-- end: name -->`."""


class BlockMissing(Exception):
    """A page has no place for what is generated into it."""


def stale(root: Path, pages: Pages = PAGES, blocks: Blocks = BLOCKS) -> list[str]:
    """The pages that are not as the code says. Raises `BlockMissing`."""
    return list(_changed(root, pages, blocks))


def write(root: Path, pages: Pages = PAGES, blocks: Blocks = BLOCKS) -> list[str]:
    """Write what is out of date; returns the paths. Raises `BlockMissing`, and has then written nothing."""
    changed = _changed(root, pages, blocks)
    for path, text in changed.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(changed)


def _changed(root: Path, pages: Pages, blocks: Blocks) -> dict[str, str]:
    wanted = {path: make() for path, make in pages.items()}
    for path, makers in blocks.items():
        text = (root / path).read_text(encoding="utf-8")
        for name, make in makers.items():
            text = filled(text, name, make())
        wanted[path] = text
    return {path: text for path, text in wanted.items() if _read(root / path) != text}


def filled(text: str, name: str, content: str) -> str:
    """The page with the block's content replaced. Raises `BlockMissing`."""
    place = re.compile(rf"(<!-- begin: {name}\b[^>]*-->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    if place.search(text) is None:
        raise BlockMissing(name)
    return place.sub(lambda found: f"{found[1]}\n{content.strip()}\n\n{found[2]}", text)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
