"""Films made beside the event loop, two at a time, and one tiny film for those who only want bytes."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from nemotwin import film
from nemotwin.storyboard import Shot, Storyboard

FILMS_AT_ONCE = 2
"""Encoding uses the cores by itself; more threads would only make each film later."""

_TINY = Storyboard(width=108, height=192, fps=12, shots=(Shot(None, 1.0),), captions=(), volume=0.0)


class Films:
    """A small pool of threads that make films."""

    def __init__(self, folder: Path) -> None:
        """Keep the films in `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._pool = ThreadPoolExecutor(FILMS_AT_ONCE, thread_name_prefix="film")
        self._stop = threading.Event()
        self._tiny: asyncio.Task[Path] | None = None

    async def make(self, board: Storyboard, name: str, progress: Callable[[float], None]) -> Path:
        """Make a film and return its path. `name` must be safe as a file name; `progress` is called from a thread."""
        path = self._folder / f"{name}.mp4"
        work = partial(film.make, board, path, progress=progress, stop=self._stop)
        await asyncio.get_running_loop().run_in_executor(self._pool, work)
        return path

    async def tiny(self) -> Path:
        """Return the tiny film of the instant mode, made once."""
        if self._tiny is None:
            self._tiny = asyncio.create_task(self.make(_TINY, "instant", lambda _share: None))
        return await asyncio.shield(self._tiny)

    def close(self) -> None:
        """Give up the films that are being made and wait for their threads."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
