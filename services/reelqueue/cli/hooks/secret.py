"""The secret that messages from this command line are signed with. It is of this user and machine, and of no tenant."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import typer

from reelqueue.webhooks.signing import generate_secret, secret_key

VARIABLE: Final = "REELQUEUE_WEBHOOK_SECRET"
"""Names another secret: one that a receiver has already. An argument would show in process lists."""

_FILE: Final = "webhook_secret"


def local_secret(directory: Path | None = None) -> tuple[str, str]:
    """The secret, and where it is kept. Made at the first call, the same ever after; only its owner may read it.

    Of two first calls at a time one makes it, and both return that one. Raises `SecretInvalid` if what is kept or
    named is no secret.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        secret_key(named)
        return named, VARIABLE
    file = (directory or Path(typer.get_app_dir("reelqueue"))) / _FILE
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        _make(file)
    # A file that was copied here may be open to others.
    file.chmod(0o600)
    secret = file.read_text().strip()
    secret_key(secret)
    return secret, str(file)


def _make(file: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(generate_secret() + "\n")
        # Unlike a rename, a link does not replace what somebody else has made meanwhile.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
