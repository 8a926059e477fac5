"""`python -m reelqueue`: the same as the `reelqueue` command."""

from reelqueue.cli import main

if __name__ == "__main__":
    main()
