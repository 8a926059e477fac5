"""Where the adapters meet the use cases. Nothing else in the house knows both."""

from reelqueue.wiring.services import Services

__all__ = ["Services"]
