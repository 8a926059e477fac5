"""What helps somebody who writes a webhook receiver: forwarding to it, samples for it, and a test of it."""
