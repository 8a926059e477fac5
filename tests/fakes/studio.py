"""NemoVideo as a state machine in memory, with a ledger: what was asked for is done, whoever dies meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fakes.upstream import RESULT_URL, balance, draft, said
from reelqueue.domain.upstream import (
    AnonymousToken,
    Balance,
    Credential,
    LocalFile,
    NemoSession,
    OutputSpec,
    RenderPhase,
    RenderReport,
    SessionState,
    TurnControl,
    TurnProgress,
    TurnReport,
    UploadedFile,
)
from reelqueue.errors import RenderIdTaken, RenderUnknown, UpstreamError
from reelqueue.nemo import errors


class Studio:
    """Sessions, turns, renders and charges, as they happened. For any number of threads."""

    def __init__(self) -> None:
        self.sessions: dict[str, list[str]] = {}
        """What was sent into each session."""
        self.turns: list[tuple[str, str]] = []
        self.renders: list[str] = []
        self.charged = 0.0
        self._lock = threading.Lock()

    def anonymous_token(self, client_id: str) -> AnonymousToken:
        raise AssertionError("no anonymous token is needed")

    def create_session(self, credential: Credential, *, name: str, language: str) -> NemoSession:
        with self._lock:
            session_id = f"{len(self.sessions) + 1:019d}"
            self.sessions[session_id] = []
        return NemoSession(session_id=session_id, task_id=None, user_id="me")

    def upload_files(
        self, credential: Credential, session_id: str, files: Sequence[LocalFile]
    ) -> tuple[UploadedFile, ...]:
        self.sessions[session_id] += [file.name for file in files]
        return tuple(UploadedFile(file.name) for file in files)

    def upload_urls(self, credential: Credential, session_id: str, urls: Sequence[str]) -> tuple[UploadedFile, ...]:
        self.sessions[session_id] += urls
        return tuple(UploadedFile(url) for url in urls)

    def balance(self, credential: Credential) -> Balance:
        return balance(100 - self.charged)

    def state(self, credential: Credential, session_id: str) -> SessionState:
        made = [text for session, text in self.turns if session == session_id]
        return SessionState(
            draft=draft(*made) if made else None,
            uploads=tuple({"filename": name} for name in self.sessions[session_id]),
            generated=(),
            canvas=None,
        )

    def run_turn(
        self,
        credential: Credential,
        *,
        session_id: str,
        text: str,
        control: TurnControl,
        on_progress: Callable[[TurnProgress], None],
    ) -> TurnReport:
        control.gate()
        control.count(1)
        with self._lock:
            self.turns.append((session_id, text))
            self.charged += 10
        return said("Done.")

    def submit_render(
        self, credential: Credential, *, render_id: str, session_id: str, draft: Mapping[str, Any], output: OutputSpec
    ) -> None:
        with self._lock:
            if render_id in self.renders:
                raise RenderIdTaken
            self.renders.append(render_id)

    def render_report(self, credential: Credential, render_id: str) -> RenderReport:
        if render_id not in self.renders:
            raise RenderUnknown
        return RenderReport(RenderPhase.COMPLETED, 100.0, RESULT_URL)

    def cancel_render(self, credential: Credential, render_id: str) -> bool:
        return render_id in self.renders

    def download_render(
        self, credential: Credential, render_id: str, sink: Callable[[bytes], object], *, max_bytes: int
    ) -> str | None:
        raise AssertionError("every render has a URL")

    @staticmethod
    def turn_failure(report: TurnReport) -> UpstreamError | None:
        return errors.turn_failure(report)


class Killed(BaseException):
    """The process is gone. Nothing of ours catches it."""


READS = frozenset({"find", "credential", "pick", "cooled_in", "newest", "open_of", "balance", "state", "render_report"})
"""Calls that change nothing: whoever dies after one has died after the last that did."""


class Wire:
    """Counts what a worker does to the database or to the upstream, and kills it after one of those calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.kill_at = 0

    def through(self, name: str, target: Any) -> Any:
        """The same object, its methods called over the wire."""
        return _Wired(self, name, target)

    @contextmanager
    def crossing(self, name: str) -> Iterator[None]:
        """One call. The worker may die when it is over: done, and the answer never read."""
        self.calls.append(name)
        fatal = len(self.calls) == self.kill_at
        yield
        if fatal:
            raise Killed(name)


class _Wired:
    def __init__(self, wire: Wire, name: str, target: Any) -> None:
        self._wire, self._name, self._target = wire, name, target

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not callable(found) or method in READS | {"turn_failure", "refreshing"}:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            with self._wire.crossing(f"{self._name}.{method}"):
                return found(*arguments, **named)

        return call
