"""The few numbers that several layers must agree on."""

from __future__ import annotations

from typing import Final

LEASE_S: Final = 30.0
"""How long a worker may be silent before its work is taken over, by the database's clock. Never scaled by speed."""
HEARTBEAT_S: Final = 10.0
"""How often a worker renews all its leases in one statement."""
SWEEP_S: Final = 5.0
"""How often the dispatcher looks for what fell between two chairs. The most that a lost doorbell costs."""
CLAIMS_BEFORE_POISONED: Final = 3
"""How often a job may bring its worker down without any progress before it is set aside."""
TOKEN_DRAIN_S: Final = 6 * 3600.0
"""From how long before a token's expiry new projects go elsewhere if they can, unless a setting says otherwise."""
