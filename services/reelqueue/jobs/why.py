"""`GET /v1/jobs/{id}/why` without HTTP."""

from __future__ import annotations

from typing import Protocol

from reelqueue.domain.estimates import size_of
from reelqueue.domain.links import credits_link
from reelqueue.domain.why import Facts, Why, explain
from reelqueue.jobs.ports import HistoryStore


class FactsStore(Protocol):
    """`store.facts_of_waiting.WaitingFacts`."""

    def of(self, tenant_id: str, job_id: str) -> Facts:
        """What holds for one of the tenant's jobs now. Raises NotFound."""
        ...


class WhyReader:
    """Says why a job waits. Reads only the database; a handful of statements."""

    def __init__(self, facts: FactsStore, history: HistoryStore, *, web_url: str) -> None:
        self._facts = facts
        self._history = history
        self._web_url = web_url

    def read(self, tenant_id: str, job_id: str) -> Why:
        """Why the job is where it is. Raises NotFound."""
        facts = self._facts.of(tenant_id, job_id)
        token = facts.token
        # Whoever shares the pool's tokens cannot fill them.
        link = credits_link(self._web_url, token.user_id) if token is not None and token.own else None
        return explain(facts, self._history.of(tenant_id, size_of(facts.job)), link=link)
