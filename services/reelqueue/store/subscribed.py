"""What an endpoint gets, as conditions on an endpoint `w` and an event `e` of the same tenant."""

from __future__ import annotations

from typing import Final

NAMED: Final = "w.event_types && ARRAY[e.type, split_part(e.type, '.', 1) || '.*', '*']"
"""One of its patterns names the event's type."""
PASSED: Final = "(w.filter IS NULL OR e.metadata IS NULL OR e.metadata @> w.filter)"
"""The event's metadata is what its filter asks for. What is of no job has none, and no filter holds it back."""
