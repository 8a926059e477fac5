"""Processes that an earlier run of ours left behind, and how to end them.

A process id read from a file proves nothing: the machine may have rebooted and given the number to somebody's editor.
So a process counts as ours by what it is, never by its number: a server by its program and by the directory it works
in, a supervised process by a mark in its environment that no other run has.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

# The variable that carries the mark.
RUN_VARIABLE = "REELQUEUE_DEV_RUN"
_POLL_S = 0.01
_SHORTEST_MARK = 16


def is_server(process: psutil.Process, program: str, directory: Path) -> bool:
    """Whether a process runs `program` and works in `directory`; False too when we may not look."""
    try:
        return process.name() == program and process.cwd() == str(directory.resolve())
    except psutil.Error:
        return False


def servers_in(program: str, directory: Path) -> list[psutil.Process]:
    """Every process of a server that works in `directory`, whoever started it."""
    return [process for process in _running(program) if is_server(process, program, directory)]


def end_servers(program: str, directory: Path, *, stop_signal: signal.Signals, timeout_s: float = 5.0) -> int:
    """End a server that works in `directory`: ask its parent process, then kill what is left. Returns how many."""
    found = servers_in(program, directory)
    ids = {process.pid for process in found}
    # A server's own children end with it; a signal to them as well would look like a crash to it.
    _signal((process for process in found if _parent(process) not in ids), stop_signal)
    alive = await_end(found, timeout_s=timeout_s)
    _signal(alive, signal.SIGKILL)
    await_end(alive, timeout_s=timeout_s)
    return len(found)


def end_marked(run: str, *, timeout_s: float = 5.0) -> int:
    """Kill every process that carries the mark of `run`, deep descendants included. Returns how many."""
    found = list(_marked(run))
    _signal(found, signal.SIGKILL)
    await_end(found, timeout_s=timeout_s)
    return len(found)


def await_end(processes: Sequence[psutil.Process], *, timeout_s: float) -> list[psutil.Process]:
    """Wait for processes, ours or not, to end; returns those that have not by then.

    One that nobody has waited for yet (a zombie) has ended: where the first process of a container does not reap,
    it would stay for ever.
    """
    alive = [process for process in processes if _lives(process)]
    deadline = time.monotonic() + timeout_s
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        alive = [process for process in alive if _lives(process)]
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _running(program: str) -> Iterator[psutil.Process]:
    # By name alone, before anything else is asked: what is listed here may get killed, by root on every process of
    # the machine. No slip in the rest of this file may let a process through that is no such server.
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == program:
                yield process


def _marked(run: str) -> Iterator[psutil.Process]:
    if len(run) < _SHORTEST_MARK:  # a file cut short must not match what merely lacks a mark
        return
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(RUN_VARIABLE) == run:
                yield process


def _parent(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        return process.ppid()
    return None


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    # Neither ourselves nor anything we live under: no such process can be a leftover, whatever else is mistaken.
    spared = {1, os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in processes:
        if process.pid in spared:
            continue
        with suppress(psutil.Error):
            process.send_signal(number)  # checks by its start time that the number is still this process
