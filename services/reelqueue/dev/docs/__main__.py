"""`python -m reelqueue.dev.docs [--check]`: write the generated pages, or say which ones no longer fit the code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reelqueue.dev.docs.pages import stale, write

ROOT = Path(__file__).parents[4]


def main() -> int:
    """Run from a checkout. Exit code 1 when a page had to be checked and was out of date."""
    parser = argparse.ArgumentParser(prog="python -m reelqueue.dev.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is out of date")
    if not parser.parse_args().check:
        for path in write(ROOT):
            sys.stdout.write(f"{path}\n")
        return 0
    found = stale(ROOT)
    if found:
        names = "\n".join(f"  {path}" for path in found)
        sys.stderr.write(f"These pages are out of date. Run `make docs`:\n{names}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
