"""Webhooks: sign a message, send it once, say what came of it. When to send again is `domain.deliveries`."""
