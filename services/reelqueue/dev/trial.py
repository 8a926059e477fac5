"""An account for a trial with the stand-in: `python -m reelqueue.dev.trial`, in the environment of our processes.

Prints `{tenant, api_key, webhook_secret}`. Each run makes a further key; the tenant and its token are made once.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

from reelqueue.dev.provision import provide
from reelqueue.dev.twin import mint_token
from reelqueue.settings import load_settings

TENANT: Final = "trial"


def main() -> int:
    """Make it. `NEMO_API_URL` has to be a stand-in: a real NemoVideo has no such route."""
    token = mint_token(load_settings().nemo.api_url)
    made = provide(dict(os.environ), tenant=TENANT, api_key=None, upstream_token=token)
    sys.stdout.write(json.dumps(made, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
