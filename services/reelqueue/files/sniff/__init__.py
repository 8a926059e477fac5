"""Media types by content: one small parser per container, all of them over a `Window` with a budget."""

from reelqueue.files.sniff.inspection import HEAD, begins_like_a_picture, check_head, inspect

__all__ = ["HEAD", "begins_like_a_picture", "check_head", "inspect"]
