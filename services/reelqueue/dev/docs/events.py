"""`docs/events.md`: every type of event, when it is told, what its `data` holds, and a sample."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from reelqueue.dev.docs.markdown import first_line, page, table
from reelqueue.domain.event_types import EVENT_TYPES, AnyEventType, family_of
from reelqueue.domain.jobs import TERMINAL_EVENTS
from reelqueue.domain.samples import sample_payload
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES
from reelqueue.gateway.schemas.event_data import EventData, JobEventData
from reelqueue.gateway.schemas.event_documents import TOLD

_INTRO: Final = """
Each of these comes by [webhook](webhooks.md) to the endpoints that ask for it. Their JSON Schemas stand in
`/openapi.json` under `webhooks`, each with the sample that is shown here. More members, and more types, may come:
ignore what you do not know. The schemas allow for members that they do not list.
"""
_COMMON: Final = """
Every body is `{"type", "timestamp", "data"}`. The `data` of an event of a job holds these; of others only the first.
What a type tells beside them is listed with it.
"""
_FAMILY: Final[Mapping[str, str]] = {
    "job.*": "Of one job. They carry the job and are numbered by its `seq`.",
    "batch.*": "Told among the events of the batch's last job, and numbered there.",
    "asset.*": "Told among the events of the job whose files they are, and numbered there.",
    "endpoint.*": "Of a webhook endpoint. The endpoint that they are about does not get them; your others do.",
    "upstream.*": "Of NemoVideo, for everybody: each opening is told once, and flapping at most every five minutes.",
}


def events_page() -> str:
    """The whole page."""
    parts = [_INTRO, event_table(), "## What every event has", _COMMON, _members(JobEventData, own=False)]
    for family, kinds in groupby(EVENT_TYPES.values(), key=family_of):
        parts += [f"## `{family}`", _FAMILY[family]]
        for kind in kinds:
            parts += _section(kind)
    return page("Events", *parts, source="the types in `domain/` and the schemas in `gateway/schemas/`")


def event_table() -> str:
    """The types, for both pages."""
    rows = [
        [
            f"`{kind}`",
            TOLD[kind].when,
            "yes" if kind in TERMINAL_EVENTS else "",
            "yes" if kind in DEFAULT_EVENT_TYPES else "",
        ]
        for kind in EVENT_TYPES.values()
    ]
    return table(["type", "when", "a job's end", "sent if you do not choose"], rows)


def _section(kind: AnyEventType) -> Iterator[str]:
    yield f"### `{kind}`"
    model = TOLD[kind].data
    if model is JobEventData:
        yield TOLD[kind].when
        return
    yield f"{TOLD[kind].when} {first_line(model.__doc__)}"
    yield _members(model)
    yield f"```json\n{_sample(kind)}\n```"


def _members(model: type[EventData], *, own: bool = True) -> str:
    """A table of the members: its own, or all."""
    shared = set(JobEventData.model_fields) if own else set()
    rows = [
        [f"`{name}`", _kind(field.annotation, nullable=field.is_required()), field.description or _said(field) or ""]
        for name, field in model.model_fields.items()
        if name not in shared
    ]
    return table(["member", "type", "meaning"], rows)


def _said(field: FieldInfo) -> str | None:
    """What the type says of itself, where the member does not."""
    for part in get_args(field.annotation):
        for note in getattr(part, "__metadata__", ()):
            if isinstance(note, FieldInfo) and note.description:
                return note.description
    return None


def _kind(annotation: Any, *, nullable: bool = True) -> str:
    """A type in words. `nullable`: `None` is a value, and does not stand for a member that is not there."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return ", ".join(f"`{json.dumps(part)}`" for part in parts)
    if origin in (Union, UnionType):
        said = [_kind(part) for part in parts if part is not type(None)]
        return " or ".join([*said, "`null`"] if nullable and type(None) in parts else said)
    if origin is list:
        return f"list of {_kind(parts[0])}"
    return {str: "text", int: "number"}.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _sample(kind: AnyEventType) -> str:
    """The sample, its job left out."""
    document = json.loads(sample_payload(kind))
    if "job" in document["data"]:
        document["data"]["job"] = {"id": document["data"]["job"]["id"], "…": "…"}
    return json.dumps(document, ensure_ascii=False, indent=2)
