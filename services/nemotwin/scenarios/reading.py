"""Scenarios out of YAML. Strict: what is not understood is an error that says where, and nothing is guessed."""

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from nemotwin.scenarios.rules import Rule, Scenario

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

_ADAPTER: Final[TypeAdapter[dict[str, Scenario]]] = TypeAdapter(dict[Name, Scenario])
_KEY: Final = "[key]"
"""What pydantic puts behind a key of a mapping that is itself at fault."""


DEEPEST: Final = 20
"""Levels of nesting. The language has no use for more than six, and Python's own end comes at some hundreds."""


class ScenarioError(ValueError):
    """The text is no scenarios. The message is `line 4, silent_edit.rules[0].turn: what is wrong`."""


def read(text: str) -> dict[str, Scenario]:
    """Read the scenarios of a YAML text by name. Raises `ScenarioError`, and nothing else, whatever the text is."""
    try:
        tree, content = _parsed(text)
    except ScenarioError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f"line {mark.line + 1}: "
        raise ScenarioError(f"{where}{error.problem or 'not YAML'}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ScenarioError(f"not YAML: {error}".replace("\n", " ")) from error
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise ScenarioError(_said(error, tree)) from error


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """Return the tree, which knows its lines, and what `yaml.safe_load` makes of the text."""
    _refuse_what_nobody_needs(text)
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    for node in _nodes(tree):
        _refuse_doubles(node)
    return tree, yaml.safe_load(text)


def _refuse_what_nobody_needs(text: str) -> None:
    """Refuse aliases, tags, depths, and halves of characters, with which reading on would not be safe."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _refusal("nested too deeply", event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise _refusal("aliases and tags are not taken", event)
        if isinstance(event, yaml.ScalarEvent) and re.search("[\ud800-\udfff]", event.value):
            raise _refusal("half of a character is escaped", event)


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if node is not None:
        yield node
    match node:
        case yaml.MappingNode():
            children: list[yaml.Node] = [child for pair in node.value for child in pair]
        case yaml.SequenceNode():
            children = node.value
        case _:
            return
    for child in children:
        yield from _nodes(child)


def _refuse_doubles(node: yaml.Node) -> None:
    """Refuse a key that comes twice, of which YAML would silently take the last."""
    seen: set[Hashable] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise _refusal(f"the key {key.value} comes twice", key)
            seen.add(key.value)


def _refusal(problem: str, found: yaml.Event | yaml.Node) -> ScenarioError:
    return ScenarioError(f"line {1 if found.start_mark is None else found.start_mark.line + 1}: {problem}")


def _said(error: ValidationError, tree: yaml.Node | None) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = [step for step in found["loc"] if step != _KEY]
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        known: Mapping[str, Any] = Rule.model_fields if "rules" in place else Scenario.model_fields
        message = f"no such key; there are {', '.join(known)}"
    elif _KEY in found["loc"]:
        message = "a name is made of a-z, 0-9, _ and -"
    elif found["type"] == "model_type":
        message = "a mapping is expected"
    elif not place:
        message = "a mapping of names to scenarios is expected"
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return f"line {_line(tree, place)}{f', {path}' if path else ''}: {message}"


def _line(node: yaml.Node | None, place: Sequence[str | int]) -> int:
    """Return the line of a place in the tree, or of the last step to it that is there."""
    line = 1 if node is None else node.start_mark.line + 1
    for step in place:
        match node:
            case yaml.MappingNode():
                pairs = [(key, value) for key, value in node.value if key.value == str(step)]
            case yaml.SequenceNode() if isinstance(step, int):
                pairs = [(node.value[step], node.value[step])]
            case _:
                pairs = []
        if not pairs:
            break
        key, node = pairs[0]
        line = key.start_mark.line + 1
    return line
