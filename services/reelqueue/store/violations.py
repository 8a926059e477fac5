"""The database's refusals, by the name of the constraint that refused, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

from reelqueue.errors import NotFound, ReelqueueError


@contextmanager
def refusing(answers: Mapping[str, ReelqueueError]) -> Iterator[None]:
    """Raise the error that belongs to the constraint. A constraint that is not listed is a bug of ours and passes.

    A tenant that is gone is always `NotFound`: it was erased while its request was under way.
    """
    try:
        yield
    except IntegrityError as error:
        diagnostics = getattr(error.orig, "diag", None)
        name = getattr(diagnostics, "constraint_name", None) or ""
        answer = answers.get(name)
        if answer is None and name.endswith("_tenant_id_tenants"):
            answer = NotFound("There is no such tenant.")
        if answer is None:
            raise
        raise answer from error


def no_such_tenant(table: Table) -> dict[str, ReelqueueError]:
    """For a row of an owner that does not exist."""
    return {f"fk_{table.name}_tenant_id_tenants": NotFound("There is no such tenant.")}
