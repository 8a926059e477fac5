"""Which line of its tenant a job stands in: that of its customer, or `''` where it names none.

Not `coalesce`: PostgreSQL takes that for something that may leak a row, and so looks at all jobs of a tenant before it
asks for the customer's (`walls`). Of `greatest` it knows that it keeps quiet, and uses the index. It passes over nulls,
and no text sorts before the empty one.
"""

from __future__ import annotations

from typing import Final

FLOW: Final = "greatest(customer, '')"
"""For statements with one table of jobs, and for the index `ix_jobs_admit`."""


def flow_of(job: str) -> str:
    """For statements with a job of that name."""
    return f"greatest({job}.customer, '')"
