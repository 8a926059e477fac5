"""A job on a terminal: one bar, the status beside it, and a line when it is over. JSON lines when piped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

WORDS = {
    "queued": "waiting for its turn",
    "uploading": "sending the pictures up",
    "instructing": "the agent is editing",
    "requires_input": "the agent asks something",
    "rendering": "rendering",
    "saving": "fetching the result",
    "succeeded": "done",
    "failed": "failed",
    "canceled": "canceled",
}


def show_progress(jobs: Iterable[dict[str, Any]], console: Console) -> dict[str, Any]:
    """Show a job until it ends; returns it as it ended."""
    if not console.is_terminal:
        return _lines(jobs)
    last: dict[str, Any] = {}
    bar = Progress(
        TextColumn("{task.fields[status]:<12}"),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.description}"),
        console=console,
    )
    with bar:
        task = bar.add_task("", total=100, status="queued")
        for job in jobs:
            bar.update(task, completed=job["progress"], description=words_of(job), status=job["status"])
            last = job
    return last


def words_of(job: dict[str, Any]) -> str:
    """What a person reads beside the bar. A question is shown: nothing goes on before its owner answers."""
    if job["question"]:
        return f"asks: {' '.join(job['question']['text'].split())}"
    return f"waits: {job['waiting']['reason']}" if job["waiting"] else WORDS[job["status"]]


def _lines(jobs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for job in jobs:
        typer.echo(json.dumps({key: job[key] for key in ("id", "status", "progress", "waiting", "question", "error")}))
        last = job
    return last
