"""The demo: pictures and a sentence go in, a verified webhook and a playable MP4 come out."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from reelqueue.cli.client import ApiAddress, ApiClient
from reelqueue.cli.receiver import Received, Receiver
from reelqueue.cli.show import show_progress
from reelqueue.dev.stack import DevStack, StackOptions
from reelqueue.dev.supervisor import stop_on_signals
from reelqueue.domain.jobs import EVENT_OF

SPEED = 30.0
WEBHOOK_S = 30.0


class DemoFailed(Exception):
    """The demo did not come to its end. The message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to make of what, and where to leave it."""

    images: Sequence[Path]
    instruction: str
    data: Path
    out: Path


@dataclass(frozen=True, slots=True)
class Video:
    """What a decoder says of the result."""

    codec: str
    width: int
    height: int
    seconds: float
    frames: int


def run_demo(options: DemoOptions, console: Console) -> None:
    """Run it all, and stop all of it. Raises `DemoFailed`."""
    stop = threading.Event()
    console.print("Starting Postgres, Valkey, a stand-in for NemoVideo, the gateway, a dispatcher and three workers")
    stack = DevStack(StackOptions(data=options.data, speed=SPEED))
    with stop_on_signals(stop), Receiver() as receiver:
        dev = stack.start(stop)
        client = ApiClient(ApiAddress(dev["base_url"], dev["api_key"]))
        try:
            job = _make(client, options, receiver, console, stop)
            hook = _await_webhook(receiver, job["id"])
            _verify(hook, dev["webhook_secret"])
            options.out.parent.mkdir(parents=True, exist_ok=True)
            client.download(job["id"], options.out)
            _summarize(client.events(job["id"]), job, hook, options.out, console)
        finally:
            client.close()
            stack.stop()


def _make(
    client: ApiClient, options: DemoOptions, receiver: Receiver, console: Console, stop: threading.Event
) -> dict[str, Any]:
    fields = {"instruction": options.instruction, "webhook_url": receiver.url}
    job = client.submit(files=options.images, fields=fields)
    names = ", ".join(path.name for path in options.images)
    console.print(f"Submitted {names}: {options.instruction}\n202 Accepted, {job['id']}")
    job = show_progress(client.follow(job["id"], stop=stop), console)
    if stop.is_set():
        raise DemoFailed("it was stopped")
    if job["status"] != "succeeded":
        raise DemoFailed(f"the job {job['status']}: {json.dumps(job['error'])}")
    return job


def _await_webhook(receiver: Receiver, job_id: str) -> Received:
    try:
        while True:
            hook = receiver.received.get(timeout=WEBHOOK_S)
            if json.loads(hook.body)["data"]["job"]["id"] == job_id:
                return hook
    except queue.Empty as error:
        raise DemoFailed("the webhook did not come") from error


def _verify(hook: Received, secret: str) -> None:
    from standardwebhooks import Webhook, WebhookVerificationError  # noqa: PLC0415 - only the demo needs it

    try:
        Webhook(secret).verify(hook.body, dict(hook.headers))
    except WebhookVerificationError as error:
        raise DemoFailed("the webhook's signature does not verify") from error


def probe(path: Path) -> Video:
    """Decode every frame of a video. Raises `DemoFailed` when it cannot be played."""
    import av  # noqa: PLC0415 - only the demo needs it

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            seconds = float(container.duration or 0) / av.time_base
            context = stream.codec_context
            return Video(context.name, context.width, context.height, seconds, frames)
    except (av.FFmpegError, IndexError) as error:
        raise DemoFailed(f"the result cannot be played: {error}") from error


def _summarize(
    events: Sequence[dict[str, Any]], job: dict[str, Any], hook: Received, out: Path, console: Console
) -> None:
    video, billing = probe(out), job["billing"]
    times = "  ".join(f"{status} {seconds:.1f} s" for status, seconds in _time_by_status(events))
    picture = f"{video.codec} {video.width}x{video.height}, {video.seconds:.1f} s, {video.frames} frames decoded"
    console.print(f"\n[bold]{out}[/bold]", soft_wrap=True)
    console.print(f"  video    {picture}")
    console.print(f"  time     {times}", soft_wrap=True)
    console.print(f"  webhook  {json.loads(hook.body)['type']}, signature verified, {hook.headers['webhook-id']}")
    console.print(f"  credits  {billing['spent']:.12g} spent ({billing['certainty']})")


def _time_by_status(events: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """How long the job stood in each status, in order."""
    moments = [
        (event["type"].removeprefix("job."), datetime.fromisoformat(event["timestamp"]))
        for event in events
        if event["type"] in EVENT_OF.values()
    ]
    return [(status, (after - before).total_seconds()) for (status, before), (_, after) in pairwise(moments)]
