"""Checking a document against a model, and saying what is wrong without repeating it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.strict_json import pointer_to

_MOST_VIOLATIONS: Final = 20
_OUR_RULE: Final = "rule"


class StrictModel(BaseModel):
    """A request body or a part of one: no unknown member, no coercion, no change afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


M = TypeVar("M", bound=StrictModel)


def broken_rule(message: str) -> PydanticCustomError:
    """What a validator of ours raises. `message` is the rule and never holds the value."""
    return PydanticCustomError(_OUR_RULE, "{rule}", {"rule": message})


def checked(model: type[M], document: Any) -> M:
    """The document as the model. Raises `RequestInvalid` with up to twenty violations."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:_MOST_VIOLATIONS]
        raise RequestInvalid(*(_violation(one, document) for one in found)) from None


def _violation(found: ErrorDetails, document: Any) -> Violation:
    code = _CODES.get(found["type"], "field_invalid")
    return Violation(code=code, message=_message(found), pointer=_pointer(found["loc"], document))


def _pointer(location: tuple[int | str, ...], document: Any) -> str:
    """The place in the document as it was sent: a shorthand, or a union's tag, has no members to point into."""
    path: list[int | str] = []
    here = document
    for part in location:
        if isinstance(here, dict):
            path.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            path.append(part)
            here = here[part]
        else:
            break
    return pointer_to(*path)


def _message(found: ErrorDetails) -> str:
    """The rule in our words. A type of error that is not listed gets no details: they might hold the value."""
    rule = _RULES.get(found["type"])
    return rule(found.get("ctx") or {}) if rule else "This value is not acceptable."


_CODES: Final[Mapping[str, str]] = MappingProxyType({"missing": "field_missing", "extra_forbidden": "field_unknown"})

_RULES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {
        _OUR_RULE: lambda ctx: str(ctx["rule"]),
        "missing": lambda _: "This field is required.",
        "extra_forbidden": lambda _: "There is no such field.",
        "string_type": lambda _: "This must be a string.",
        "string_too_short": lambda ctx: f"This needs at least {ctx['min_length']} character(s).",
        "string_too_long": lambda ctx: f"This takes at most {ctx['max_length']} characters.",
        "string_pattern_mismatch": lambda ctx: f"This must match {ctx['pattern']}",
        "string_unicode": lambda _: "This must be valid Unicode.",
        "list_type": lambda _: "This must be an array.",
        "dict_type": lambda _: "This must be an object.",
        "model_type": lambda _: "This must be an object.",
        "bool_type": lambda _: "This must be true or false.",
        "int_type": lambda _: "This must be an integer.",
        "too_short": lambda ctx: f"This needs at least {ctx['min_length']} item(s).",
        "too_long": lambda ctx: f"This takes at most {ctx['max_length']} items.",
        "literal_error": lambda ctx: f"This must be {ctx['expected']}.",
    }
)
