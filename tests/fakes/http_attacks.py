"""The cases of tests/data/attacks/http.yaml, made into requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CASES_FILE = Path(__file__).parents[1] / "data" / "attacks" / "http.yaml"
_REPEAT = re.compile(r"\{gen:repeat:(.):([0-9]+)\}")


def cases(*categories: str) -> list[Any]:
    found = yaml.safe_load(CASES_FILE.read_text())["cases"]
    return [case for case in found if case["cat"] in categories]


def text_of(given: Any) -> str:
    """A text, or the builder of one."""
    if isinstance(given, Mapping):
        return str(given["s"]) * int(given["n"])
    return _REPEAT.sub(lambda match: match[1] * int(match[2]), str(given))


def body_of(given: Mapping[str, Any]) -> bytes:
    """The body of a case of category `json`."""
    if "hex" in given:
        return bytes.fromhex(given["hex"])
    if given.get("raw_gen") == "nest":
        nest = "[" * given["depth"] + "]" * given["depth"]
        return f'{{"instruction":"x","{given["field"]}":{nest}}}'.encode()
    if given.get("raw_gen") == "str":
        return f'{{"{given["field"]}":"{given.get("s", "x") * given["n"]}"}}'.encode()
    return str(given["raw"]).encode(given.get("encode", "utf-8"))


def statuses(case: Mapping[str, Any]) -> list[int]:
    wanted = case["expect"]["status"]
    return [one for one in (wanted if isinstance(wanted, list) else [wanted]) if isinstance(one, int)]
