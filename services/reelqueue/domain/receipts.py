"""What one instruction did, as the job shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelqueue.domain.drafts import compare
from reelqueue.domain.jobs import Billing
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.upstream import TurnReport


def receipt(instruction: int, before: Snapshot, after: Snapshot | None, report: TurnReport | None) -> Mapping[str, Any]:
    """The receipt of an instruction (1-based).

    `verdict` is `changed` or `unchanged` by the two snapshots, `undetermined` where there is no second one.
    `recovered` says that the stream broke and the outcome was found by looking.
    """
    verdict = "undetermined" if after is None else "changed" if after.digest != before.digest else "unchanged"
    return {
        "instruction": instruction,
        "verdict": verdict,
        "recovered": report is None,
        "texts": [] if report is None else list(report.texts),
        "tools": [] if report is None else list(report.tools),
        "timeline": None if after is None else compare(before.timeline, after.timeline),
        "credits": {"before": before.available, "after": None if after is None else after.available},
    }


def bill(so_far: Billing, before: Snapshot, after: Snapshot | None) -> Billing:
    """The job's billing after one more turn.

    Others spend from a shared token at the same time, so a difference of balances is never more than inferred.
    """
    if after is None or before.total is None or after.total is None:
        return Billing(spent=so_far.spent, at_risk=so_far.at_risk, certainty="unknown")
    spent = so_far.spent + max(0.0, before.total - after.total)
    return Billing(spent=spent, certainty="unknown" if so_far.certainty == "unknown" else "inferred")
