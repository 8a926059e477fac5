"""`reelqueue webhooks certify`: every case against one receiver."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from reelqueue.cli.hooks.checks import Case, Change, Try, cases
from reelqueue.cli.hooks.findings import Finding, judge
from reelqueue.cli.hooks.lines import Lines
from reelqueue.cli.hooks.report import show_end, show_finding, show_start
from reelqueue.cli.hooks.secret import local_secret
from reelqueue.cli.hooks.way import open_way
from reelqueue.egress import EgressResponse
from reelqueue.kit.clock import SystemClock
from reelqueue.webhooks.sender import DeliveryOutcome, Poster, WebhookSender


class ShiftedClock(SystemClock):
    """The machine's clock, some seconds ahead."""

    def __init__(self, seconds: int) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The wall clock, so many seconds ahead."""
        return super().now() + self._ahead


class Tampering:
    """Posts something else than was signed."""

    def __init__(self, way: Poster, change: Change) -> None:
        self._way = way
        self._change = change

    def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, deadline_s: float, max_response_bytes: int
    ) -> EgressResponse:
        """See `EgressClient.post`."""
        headers, body = self._change(dict(headers), body)
        return self._way.post(
            url, headers=headers, body=body, deadline_s=deadline_s, max_response_bytes=max_response_bytes
        )


def certified(url: str, kind: str, lines: Lines) -> bool:
    """Run every case and show how it went. Says whether nothing was wrong.

    A receiver that does not take the first message is asked nothing more: what it refuses then tells nothing.
    """
    secret, kept = local_secret()
    todo = cases(kind, secret)
    show_start(lines, url, secret=secret, kept=kept)
    way, findings = open_way(), list[Finding]()
    for case in todo:
        finding = judge(case, _run(case, url, way))
        findings.append(finding)
        show_finding(lines, finding)
        if finding.verdict == "wrong" and len(findings) == 1:
            break
    show_end(lines, findings, untried=len(todo) - len(findings))
    return all(finding.verdict != "wrong" for finding in findings)


def _run(case: Case, url: str, way: Poster) -> list[DeliveryOutcome]:
    if not case.at_once:
        return [_send(one, url, way) for one in case.tries]
    with ThreadPoolExecutor(len(case.tries)) as threads:
        return list(threads.map(lambda one: _send(one, url, way), case.tries))


def _send(one: Try, url: str, way: Poster) -> DeliveryOutcome:
    sender = WebhookSender(Tampering(way, one.change), ShiftedClock(one.later_s))
    return sender.send(url, one.message.body, message_id=one.message.id, secrets=one.secrets)
