"""Rates kept in this process, by whatever clock it has: for an engine that runs without Redis, or on a twin's clock."""

from __future__ import annotations

from reelqueue.kit.local_gcra import LocalGcra
from reelqueue.nemo.throttle import TokenThrottle
from reelqueue.wiring.services import Services


def keep_own_rates(services: Services) -> TokenThrottle:
    """Put it in the place of the throttle that asks Redis. Before anything asks for a client."""
    gate = LocalGcra(services.clock, minute_s=60.0 / services.settings.speed)
    services.throttle = TokenThrottle(
        gate,
        gate,
        live_workers=lambda: 1,
        clock=services.clock,
        rng=services.rng,
        metrics=services.metrics,
        speed=services.settings.speed,
    )
    return services.throttle
