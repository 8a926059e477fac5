"""Media types by content: one small parser per container, all of them over a `Window` with a budget."""

from reelqueue.files.sniff.inspection import check_extension, inspect

__all__ = ["check_extension", "inspect"]
