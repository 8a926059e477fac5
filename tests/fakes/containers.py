"""Reading the compose file and the Dockerfile, since no container engine runs here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
DEMO_ENV = ROOT / "deploy" / "demo.env"
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<rest>[^}]*))?\}")


@cache
def compose() -> dict[str, Any]:
    """The file with its anchors resolved."""
    return yaml.safe_load(COMPOSE.read_text())


def demo_variables() -> dict[str, str]:
    """`deploy/demo.env` as Compose reads it."""
    lines = [line for line in DEMO_ENV.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def resolved(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in, as Compose does it."""

    def fill(found: re.Match[str]) -> str:
        value = variables.get(found["name"], "")
        if not value and found["how"] == ":?":
            raise KeyError(found["name"])
        return value or (found["rest"] if found["how"] == ":-" else "")

    return VARIABLE.sub(fill, text).replace("$$", "$")


def environment_of(service: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """What a container of the service would find in its environment."""
    made = {}
    for name, value in service.get("environment", {}).items():
        if value is not None:
            made[name] = resolved(str(value), variables)
        elif name in variables:
            made[name] = variables[name]
    return made


@dataclass(frozen=True)
class Instruction:
    """One instruction of the Dockerfile. `stage` is the name of the stage it belongs to."""

    stage: str
    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The exec form's words. Fails on the shell form."""
        return json.loads(self.rest)


def dockerfile(text: str | None = None) -> list[Instruction]:
    """Every instruction, with lines joined and comments left out."""
    return list(_instructions(DOCKERFILE.read_text() if text is None else text))


def _instructions(text: str) -> Iterator[Instruction]:
    stage = ""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, rest = line.strip().split(None, 1)
        if word == "FROM":
            stage = rest.split(" AS ")[-1]
        yield Instruction(stage, word, rest)
