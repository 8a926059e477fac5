"""NemoVideo as a script: what each call answers, and a list of the calls that were made."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
    TurnEnd,
    TurnProgress,
    TurnReport,
    UploadedFile,
)
from reelqueue.errors import UpstreamError
from reelqueue.nemo import errors

RESULT_URL = "https://cdn.invalid/result.mp4"


def draft(*names: str, ms: int = 1000) -> dict[str, Any]:
    """A timeline with one segment a track."""
    return {"t": [{"tt": 0, "m": {"name": name}, "sg": [{"d": ms}]} for name in names]}


def state(*names: str, uploads: Sequence[Mapping[str, Any]] = ()) -> SessionState:
    """A session whose timeline has these tracks; without names there is no timeline yet."""
    return SessionState(draft=draft(*names) if names else None, uploads=tuple(uploads), generated=(), canvas=None)


def balance(available: float = 100.0, frozen: float = 0.0) -> Balance:
    return Balance(available=available, frozen=frozen, total=available + frozen)


def said(*texts: str, tools: Sequence[str] = (), end: TurnEnd = TurnEnd.CLOSED, **more: Any) -> TurnReport:
    return TurnReport(end=end, texts=texts, tools=tuple(tools), **more)


class ScriptedUpstream:
    """Answers as it was told to, for any number of threads.

    `script(name, *answers)` gives the answers of a call in order; the last one stays. An exception is raised, a
    callable is called with the call's arguments, anything else is returned. A turn runs its gate first, as the real
    client does, and is counted as sent once the gate let it through.
    """

    def __init__(self, log: list[Any] | None = None) -> None:
        self.log: list[Any] = [] if log is None else log
        self.sent: list[str] = []
        """The instructions whose first byte left."""
        self.sessions = 0
        self._lock = threading.Lock()
        self._answers: dict[str, list[Any]] = defaultdict(list)
        self.script("anonymous_token", lambda **_: AnonymousToken("nmv_usr_fresh", "anon_1", 100.0, None))
        self.script("create_session", lambda **_: self._new_session())
        self.script("upload_files", ())
        self.script("upload_urls", ())
        self.script("balance", balance())
        self.script("state", state())
        self.script("submit_render", None)
        self.script("render_report", RenderReport(RenderPhase.COMPLETED, 100.0, RESULT_URL))
        self.script("cancel_render", True)
        self.script("download_render", None)
        self.script("run_turn", said("Done."))

    def script(self, name: str, *answers: Any) -> None:
        self._answers[name] = list(answers)

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The arguments of each call of that name."""
        return [entry[1] for entry in self.log if isinstance(entry, tuple) and entry[0] == name]

    def anonymous_token(self, client_id: str) -> AnonymousToken:
        return self._answer("anonymous_token", client_id=client_id)

    def create_session(self, credential: Credential, *, name: str, language: str) -> NemoSession:
        return self._answer("create_session", token=credential.token, name=name, language=language)

    def upload_files(
        self, credential: Credential, session_id: str, files: Sequence[LocalFile]
    ) -> tuple[UploadedFile, ...]:
        names = [file.name for file in files]
        return self._answer("upload_files", token=credential.token, session_id=session_id, names=names)

    def upload_urls(self, credential: Credential, session_id: str, urls: Sequence[str]) -> tuple[UploadedFile, ...]:
        return self._answer("upload_urls", token=credential.token, session_id=session_id, urls=list(urls))

    def balance(self, credential: Credential) -> Balance:
        return self._answer("balance", token=credential.token)

    def state(self, credential: Credential, session_id: str) -> SessionState:
        return self._answer("state", token=credential.token, session_id=session_id)

    def submit_render(
        self, credential: Credential, *, render_id: str, session_id: str, draft: Mapping[str, Any], output: OutputSpec
    ) -> None:
        self._answer(
            "submit_render",
            token=credential.token,
            render_id=render_id,
            session_id=session_id,
            draft=draft,
            output=output,
        )

    def render_report(self, credential: Credential, render_id: str) -> RenderReport:
        return self._answer("render_report", token=credential.token, render_id=render_id)

    def cancel_render(self, credential: Credential, render_id: str) -> bool:
        return self._answer("cancel_render", token=credential.token, render_id=render_id)

    def download_render(
        self, credential: Credential, render_id: str, sink: Callable[[bytes], object], *, max_bytes: int
    ) -> str | None:
        return self._answer(
            "download_render", token=credential.token, render_id=render_id, sink=sink, max_bytes=max_bytes
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
        answer = self._next("run_turn")
        self.log.append(("run_turn", {"token": credential.token, "session_id": session_id, "text": text}))
        if isinstance(answer, Unsent):
            raise answer.error
        control.gate()
        control.count(1)
        with self._lock:
            self.sent.append(text)
        self.log.append("first byte")
        return _give(answer, {"control": control, "on_progress": on_progress, "text": text, "session_id": session_id})

    @staticmethod
    def turn_failure(report: TurnReport) -> UpstreamError | None:
        return errors.turn_failure(report)

    def _answer(self, call: str, /, **arguments: Any) -> Any:
        answer = self._next(call)
        self.log.append((call, arguments))
        return _give(answer, arguments)

    def _next(self, name: str) -> Any:
        with self._lock:
            answers = self._answers[name]
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def _new_session(self) -> NemoSession:
        with self._lock:
            self.sessions += 1
            return NemoSession(session_id=f"{self.sessions:019d}", task_id=f"task_{self.sessions}", user_id="me")


class Unsent:
    """The turn ends before its gate: no connection was made."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _give(answer: Any, arguments: dict[str, Any]) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer(**arguments) if callable(answer) else answer
