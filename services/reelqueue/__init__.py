"""Reelqueue."""
