"""The secrets of a development stack: made once, kept beside its data, readable by their owner alone."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

FILE: Final = "secrets.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevSecrets:
    """The key everything is sealed with, and what was handed out once and cannot be read again."""

    secret_key: str = field(repr=False)
    api_key: str | None = field(repr=False, default=None)
    twin_token: str | None = field(repr=False, default=None)

    def save(self, data: Path) -> None:
        """Write them, whole or not at all."""
        fresh = data / f"{FILE}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(data / FILE)


def load_secrets(data: Path) -> DevSecrets:
    """The secrets of a stack, made now if it is new."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = data / FILE
    if file.exists():
        return DevSecrets(**json.loads(file.read_text()))
    made = DevSecrets(secret_key=base64.b64encode(os.urandom(32)).decode())
    made.save(data)
    return made
