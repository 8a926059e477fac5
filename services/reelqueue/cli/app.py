"""The tree of commands."""

from __future__ import annotations

import typer

from reelqueue.cli import dev, health, jobs, keys, processes, tenants, tokens, upstream, webhooks

app = typer.Typer(
    name="reelqueue",
    help="A queue-backed, multi-tenant gateway in front of NemoVideo.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
processes.register(app)
health.register(app)
tenants.register(app)
keys.register(app)
tokens.register(app)
upstream.register(app)
jobs.register(app)
webhooks.register(app)
dev.register(app)
