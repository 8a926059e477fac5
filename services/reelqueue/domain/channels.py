"""The names under which the database tells that something happened. A notice is a hint: it may be lost."""

from __future__ import annotations

from typing import Final

WORK: Final = "rq_work"
"""Something may be due: the dispatcher looks. A lost notice costs one sweep."""
JOB: Final = "rq_job"
"""A job changed; the payload is its id. Wakes event streams and `Prefer: wait`."""
CANCEL: Final = "rq_cancel"
"""A job's cancel was asked for; the payload is its id. A lost notice costs one heartbeat."""
EVENT: Final = "rq_event"
"""Something was told: it waits to be numbered. A lost notice costs one sweep."""
FEED: Final = "rq_feed"
"""A tenant's feed has grown; the payload is the tenant's id. Wakes those who follow it."""
