"""The routes of limits and usage in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.openapi import answer, in_query, operation

_MOMENT: Final = {"type": "string", "format": "date-time"}

GET_LIMITS: Final = operation(
    "Read your limits",
    {200: answer("Every quota and budget, and what is used of it.", "Limits")},
    problems=(422,),
    tag="usage",
)
GET_USAGE: Final = operation(
    "Read your usage",
    {200: answer("The jobs accepted in the time, in groups.", "Usage")},
    problems=(422,),
    parameters=(
        in_query("from", "From this moment on; 30 days before `to` if left out.", _MOMENT),
        in_query("to", "Before this moment, at most 92 days after `from`; now if left out.", _MOMENT),
        in_query(
            "group_by",
            "`day` (in UTC), `project`, `customer` or `metadata.KEY`.",
            {"type": "string", "default": "day", "pattern": "^(day|project|customer|metadata\\..{1,64})$"},
        ),
    ),
    tag="usage",
)
