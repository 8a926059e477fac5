"""The prefix of an instruction that chooses a scenario: `[scenario: silent_edit] animate this photo`."""

import re
from typing import Final

_PREFIX: Final = re.compile(r"\s*\[\s*scenario\s*:\s*([^\]\n]*?)\s*\]\s*", re.IGNORECASE)


def split(message: str) -> tuple[str | None, str]:
    """Return the name that a message begins with, in lower case, and what the agent is to hear.

    A message without the prefix is heard as it is. The name may be one that nobody knows.
    """
    found = _PREFIX.match(message)
    return (None, message) if found is None else (found.group(1).lower(), message[found.end() :])
