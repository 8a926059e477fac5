"""The little Markdown that the generated pages need."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence

NOTE = "<!-- Made by `make docs` from {source}. Do not edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Pipes and line breaks in cells are taken care of."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def page(title: str, *parts: str, source: str) -> str:
    """A whole page, with the note that says where it comes from."""
    return "\n\n".join([f"# {title}", NOTE.format(source=source), *(part.strip() for part in parts)]) + "\n"


def first_line(doc: str | None) -> str:
    """The first sentence or line of a docstring."""
    return (doc or "").strip().partition("\n")[0]


def member_docs(owner: type) -> Mapping[str, str]:
    """The strings that stand below the members of a class in its source, by member."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    found = {}
    for member, after in itertools.pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name) and is_text:
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
            found[member.targets[0].id] = " ".join(str(after.value.value).split())
    return found


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
