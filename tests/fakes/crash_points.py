"""Where a worker may die: `promises.md` §3 from the claim to the last write, each point as a place in the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Point:
    """`place` is passed `nth` times before the worker dies there.

    `before x.y` and `after x.y` are calls of the store or the keeper, whose commit is in between. Of the wire there are
    `half of e` (some bytes of a call to that endpoint have left, and no more will), `sent e` (all have) and
    `heard e` (bytes of its answer came).
    """

    place: str
    nth: int = 1


POINTS: Final[Mapping[str, Point]] = MappingProxyType(
    {
        "K5 claim committed, to open": Point("after claims.claim"),
        "K5 claim committed, to instruct": Point("after claims.claim", 2),
        "K5 claim committed, to render": Point("after claims.claim", 3),
        "K6 session row, no POST": Point("after projects.begin"),
        "K6 session POST, half": Point("half of create_session"),
        "K6 session POST, no answer": Point("sent create_session"),
        "K7 session answer, not saved": Point("before projects.ready"),
        "K8 session saved": Point("after projects.ready"),
        "K8 verdict not written": Point("before claims.apply"),
        "K9 upload, no byte": Point("after uploads.begin"),
        "K9 upload, half": Point("half of upload"),
        "K9 upload, no answer": Point("sent upload"),
        "K10 upload answer, not saved": Point("before uploads.done"),
        "K11 upload saved": Point("after uploads.done"),
        "K12 before the snapshot is saved": Point("before turns.prepare"),
        "K12 snapshot saved": Point("after turns.prepare"),
        "K13 connected, no intent": Point("before turns.begin_sending"),
        "K13 intent committed, no byte": Point("after turns.begin_sending"),
        "K14 request, half": Point("half of run_sse"),
        "K14 request sent, no head": Point("sent run_sse"),
        "K15 first bytes of the stream": Point("heard run_sse"),
        "K15 mid-stream, before a change": Point("heard run_sse", 3),
        "K15 mid-stream, after a change": Point("heard run_sse", 6),
        "K15 mid-stream, an event told": Point("after claims.tell"),
        "K16 stream closed, not saved": Point("before turns.finish"),
        "K17 outcome saved": Point("after turns.finish"),
        "K17 verdict not written": Point("before claims.apply", 3),
        "K17 verdict written": Point("after claims.apply", 3),
        "K18 before the render id is saved": Point("before renders.prepare"),
        "K18 render id saved, no POST": Point("after renders.prepare"),
        "K19 render POST, half": Point("half of render_submit"),
        "K19 render POST, no answer": Point("sent render_submit"),
        "K20 render answer, not saved": Point("before renders.submitted"),
        "K20 render answer saved": Point("after renders.submitted"),
        "K21 poll sent": Point("sent render_status"),
        "K21 poll answer, not saved": Point("before renders.polled"),
        "K21 between polls": Point("after claims.apply", 5),
        "K22 completed seen, not saved": Point("before renders.completed"),
        "K22 completed saved": Point("after renders.completed"),
        "K23 result asked for": Point("sent cdn"),
        "K23 result, half": Point("heard cdn"),
        "K24 result durable, not terminal": Point("after results.keep"),
        "K24 terminal, and the worker unaware": Point("after claims.apply", 7),
    }
)
"""By the number of the kill point and what has just happened."""
