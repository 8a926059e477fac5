"""The catalogue in `docs/scenarios.md`, from the YAML of the twin, which is read as data: the twin is not imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from reelqueue.dev.docs.markdown import table

CATALOG: Final = Path(__file__).parents[3] / "nemotwin" / "scenarios" / "catalog.yaml"


def scenario_table() -> str:
    """Every scenario that is always there, and how a job ends that meets it."""
    known: dict[str, dict[str, Any]] = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    rows = [[f"`{name}`", one["about"], _linked(one["outcome"])] for name, one in known.items()]
    return table(["prefix", "what happens", "the job ends as"], rows)


def _linked(outcome: str) -> str:
    """The outcome, its error code linked to the page of errors."""
    way, failed, code = outcome.partition("failed(")
    if not failed:
        return outcome.replace("requires_input", "`requires_input`").replace("succeeded", "`succeeded`")
    code = code.removesuffix(")")
    return f"{way}`failed`, [`{code}`](errors.md#{code})"
