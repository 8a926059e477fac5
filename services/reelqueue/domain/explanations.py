"""The reasons to wait, in sentences, and what would change each. `{…}` is filled in from the facts (`why.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

TENANT_PAUSED: Final = "tenant_paused"
"""No reason of `waiting`: new jobs wait for their turn, and none comes."""
TOKEN_COOLING: Final = "token_cooling"  # noqa: S105 - a reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence, and the `CHANGES` that help."""

    text: str
    changes: tuple[str, ...] = ()
    up_to_a_person: bool = False
    """Nobody knows when a person acts."""


CHANGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "raise_priority": "Submit with `priority: high`: such jobs go before your others.",
        "raise_max_running": "Have `max_running` raised by whoever runs this service.",
        "end_another": "Cancel a job that is before it, or wait until one has ended.",
        "resume": "Ask whoever runs this service to let your jobs go on.",
        "unblock_token": "Unblock your token with `PATCH /v1/upstream-tokens/{id}`, or have a shared one unblocked by"
        " whoever runs this service.",
        "add_token": "Add a NemoVideo token of your own.",
        "top_up": "Get more NemoVideo credits; the job goes on by itself.",
        "answer": "Answer the question.",
        "wait": "It goes on by itself then, or is looked at again.",
    }
)
"""What can be done, by its stable word."""

_WAIT: Final = ("wait",)
EXPLANATIONS: Final[Mapping[str, Explanation]] = MappingProxyType(
    {
        "its_turn": Explanation("{turn}", ("raise_priority",)),
        "tenant_cap": Explanation(
            "{running} of your jobs are under way, and {max_running} may be.", ("raise_max_running", "end_another")
        ),
        TENANT_PAUSED: Explanation("New jobs of yours are held back.", ("resume",), up_to_a_person=True),
        "token_room": Explanation(
            "Every NemoVideo token that it could use carries as many jobs as it may.", ("add_token",)
        ),
        "token_rate": Explanation("The token's requests of this minute are used up.", _WAIT),
        TOKEN_COOLING: Explanation("NemoVideo asked us to let the token rest.", _WAIT),
        "token_blocked": Explanation(
            "The NemoVideo token that it has to use is blocked.", ("unblock_token", "add_token"), up_to_a_person=True
        ),
        "upstream_rate_limited": Explanation("NemoVideo asked us to come back later.", _WAIT),
        "upstream_unavailable": Explanation("NemoVideo does not answer.", _WAIT),
        "upstream_degraded": Explanation("NemoVideo fails for everybody here; one job at a time tries it.", _WAIT),
        "project_busy": Explanation("A project has one turn at a time, and {before} comes first.", ("end_another",)),
        "credits": Explanation("The NemoVideo token has no credits.", ("top_up", "wait"), up_to_a_person=True),
        "answer": Explanation("The agent asked a question.", ("answer",), up_to_a_person=True),
        "render": Explanation("NemoVideo renders the video.", _WAIT),
        "reconcile": Explanation(
            "The stream of a turn broke. What the turn did is being found out, so that it is not paid for twice.", _WAIT
        ),
        "retry": Explanation("A step failed{detail} and runs again by itself.", _WAIT),
    }
)
"""Every reason there is."""
