"""The scenarios that are always there."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from nemotwin.scenarios.reading import read
from nemotwin.scenarios.rules import Scenario


@cache
def catalog() -> Mapping[str, Scenario]:
    """Return them by name, as `catalog.yaml` beside this file has them."""
    text = resources.files(__package__).joinpath("catalog.yaml").read_text(encoding="utf-8")
    return MappingProxyType(read(text))
