"""Many jobs of several tenants at once: all end, and nobody waits for another tenant's queue to empty."""

from __future__ import annotations

from collections import Counter

from fakes.live_customer import Customers, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin


def test_sixty_jobs_of_three_tenants_start_interleaved_and_all_end(
    stack: LiveStack, twin: Twin, customers: Customers, marker: str
) -> None:
    tenants = [customers.make() for _ in range(3)]
    with twin.settings(instant=True):
        # All wait before the first is let in, one tenant's twenty after the other's: first come would not be fair.
        with stack.frozen("dispatcher"):
            sent = [
                (customer, customer.submit(instruction=create(f"{marker}-{customer.id}-{number}"))["id"])
                for customer in tenants
                for number in range(20)
            ]
        jobs = [(customer, customer.succeeded(job_id, timeout=90)) for customer, job_id in sent]
    starts = sorted((job["started_at"], customer.id) for customer, job in jobs)
    first_half = Counter(tenant for _, tenant in starts[:30])
    assert set(first_half) == {customer.id for customer in tenants}
    assert min(first_half.values()) >= 8, first_half
    messages = [turn["message"] for turn in twin.turns(marker)]
    assert len(messages) == len(set(messages)) == 60
