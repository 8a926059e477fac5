"""What every process counts. Labels are drawn from closed sets, never from ids or anything a caller sends."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900)


class Metrics:
    """The process's metrics, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "reelqueue_http_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "reelqueue_http_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.accepted = Counter("reelqueue_jobs_accepted", "Jobs accepted.", registry=registry)
        self.steps = Counter("reelqueue_steps", "Steps run.", ["status", "verdict"], registry=registry)
        self.step_seconds = Histogram(
            "reelqueue_step_seconds", "Time in a step.", ["status"], buckets=_SECONDS, registry=registry
        )
        self.claims_refused = Counter(
            "reelqueue_claims_refused", "Bells for work that was not ours to take.", ["queue"], registry=registry
        )
        self.claims_lost = Counter(
            "reelqueue_claims_lost", "Writes refused because the lease had moved on.", ["queue"], registry=registry
        )
        self.events_numbered = Counter(
            "reelqueue_events_numbered", "Events that got their place in a feed.", registry=registry
        )
        self.bells = Counter("reelqueue_bells", "Bells rung.", ["queue", "lane"], registry=registry)
        self.bells_failed = Counter("reelqueue_bells_failed", "Batches the broker did not take.", registry=registry)
        self.swept = Counter("reelqueue_swept", "Rows repaired by the sweep.", ["kind"], registry=registry)
        self.ledger_drift = Gauge(
            "reelqueue_ledger_drift", "Credits by which the ledger of budgets contradicts itself.", registry=registry
        )
        self.ledger_checked = Counter("reelqueue_ledger_checked", "Accounts checked for drift.", registry=registry)
        self.streams = Gauge("reelqueue_open_streams", "Agent turns being listened to.", registry=registry)
        self.throttle_seconds = Histogram(
            "reelqueue_throttle_seconds", "Waits of calls for their token's rate.", buckets=_SECONDS, registry=registry
        )
        self.throttled = Counter(
            "reelqueue_throttled", "Calls put off by their token's rate.", ["reason"], registry=registry
        )
        self.throttle_alone = Counter(
            "reelqueue_throttle_alone", "Calls that passed a rate kept without Redis.", registry=registry
        )
        self.coolings = Counter("reelqueue_token_429", "Calls that NemoVideo answered 429.", registry=registry)
        self.breaker_state = Gauge(
            "reelqueue_breaker_state",
            "A phase of NemoVideo: 0 closed, 1 half open, 2 open.",
            ["phase"],
            registry=registry,
        )
        self.breakers_opened = Counter(
            "reelqueue_breakers_opened", "Breakers that a failure opened.", ["phase"], registry=registry
        )
        self.recoveries = Counter(
            "reelqueue_recoveries",
            "Looks after ended jobs.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.deliveries = Counter("reelqueue_deliveries", "Webhook tries.", ["outcome"], registry=registry)
        self.delivery_seconds = Histogram(
            "reelqueue_delivery_seconds", "Time of a webhook try.", buckets=_SECONDS, registry=registry
        )

    def render(self) -> bytes:
        """The metrics as Prometheus reads them."""
        return generate_latest(self.registry)

    def serve(self, port: int, address: str = "127.0.0.1") -> None:
        """Answer `/metrics` on a port of its own, from a thread that ends with the process."""
        start_http_server(port, addr=address, registry=self.registry)
