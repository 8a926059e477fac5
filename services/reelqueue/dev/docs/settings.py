"""`docs/settings.md` and `.env.example`, from `settings.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from reelqueue.dev.docs.markdown import first_line, page, table
from reelqueue.settings import Settings

_INTRO = """
Settings come from the environment, once, at the start of a process. They are checked together: a process that finds a
contradiction says all of them, without any value, and does not start. Names of groups are joined with two underscores.
The names that NemoVideo's own tools use (`NEMO_…`) are kept.

Three settings are required. Everything else has a default. [`.env.example`](../.env.example) has the same list to fill
in. `contract §n` is a section of [upstream.md](upstream.md).
"""
_COMPOSE = """
# --- For docker-compose.yml, which makes the URLs of database and broker from these, whatever is said below ---

# Letters and digits only, as `openssl rand -hex 24` prints them. Required.
POSTGRES_PASSWORD=
REDIS_PASSWORD=

# The port on this machine's loopback, the network of the containers, and the names of the images.
#REELQUEUE_PORT=8000
#REELQUEUE_SUBNET=172.31.250.0/24
#REELQUEUE_IMAGE=reelqueue:0.1.0
#REELQUEUE_TWIN_IMAGE=reelqueue-twin:0.1.0
"""
_WORDS = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text", SecretStr: "secret"}
_BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "up to", "max_length": "at most"}
_UNITS = {"max_length": " characters"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One setting as an environment variable."""

    name: str
    kind: str
    default: str | None
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Settings that belong together."""

    title: str
    variables: tuple[Variable, ...]


def groups() -> list[Group]:
    """All settings, in the order of the source."""
    own = [Group(title="The service", variables=tuple(_variables(Settings, "REELQUEUE_")))]
    for name, field in Settings.model_fields.items():
        model = field.annotation
        if not _is_group(model):
            continue
        assert isinstance(model, type)
        prefix = f"REELQUEUE_{name.upper()}__"
        if issubclass(model, BaseSettings):
            prefix = model.model_config["env_prefix"]
        title = first_line(model.__doc__).partition(" (contract")[0].partition(". ")[0].rstrip(".")
        own.append(Group(title=title, variables=tuple(_variables(model, prefix))))
    return own


def settings_page() -> str:
    """The page."""
    parts = []
    for group in groups():
        rows = [[f"`{v.name}`", v.kind, _default(v), v.description] for v in group.variables]
        parts += [f"## {group.title}", table(["variable", "takes", "default", "meaning"], rows)]
    return page("Settings", _INTRO, *parts, source="`services/reelqueue/settings.py`")


def env_example() -> str:
    """The file. Required variables are there to be filled in, the others as comments with their defaults."""
    note = "# Made by `make docs` from services/reelqueue/settings.py. Copy it to .env, and keep that to yourself."
    lines = [note, *_COMPOSE.splitlines(), ""]
    for group in groups():
        lines += [f"# --- {group.title} ---", ""]
        for one in group.variables:
            lines += [
                f"# {one.description}",
                f"{one.name}=" if one.required else f"#{one.name}={one.default or ''}",
                "",
            ]
    return "\n".join(lines)


def _variables(model: type[BaseModel], prefix: str) -> Iterator[Variable]:
    for name, field in model.model_fields.items():
        if _is_group(field.annotation):
            continue
        yield Variable(
            name=prefix + name.upper(),
            kind=_kind(field),
            default=_written(None if field.is_required() else field.get_default(call_default_factory=True)),
            required=field.is_required(),
            description=field.description or "",
        )


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _default(variable: Variable) -> str:
    if variable.required:
        return "**required**"
    return f"`{variable.default}`" if variable.default else "none"


def _written(value: object) -> str | None:
    """A default as it would stand in the environment."""
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)


def _kind(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) in {Union, UnionType}:
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "networks"
    bounds = [
        f"{word} {getattr(rule, name):g}{_UNITS.get(name, '')}"
        for rule in field.metadata
        for name, word in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([_WORDS.get(annotation, "text"), *bounds])
