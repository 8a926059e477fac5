"""`python -m nemotwin` is the same as `nemotwin`."""

import sys

from nemotwin.cli import main

if __name__ == "__main__":
    sys.exit(main())
