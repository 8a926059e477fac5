"""The routes of upstream tokens in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.openapi import LOCATION, PAGE, answer, json_body, operation

_BODY_PROBLEMS: Final = (400, 408, 413, 415, 422, 502)
_TAG: Final = "upstream tokens"

ADD_TOKEN: Final = operation(
    "Add a NemoVideo token of your own",
    {
        201: answer("Accepted by NemoVideo and kept.", "UpstreamToken", headers=LOCATION),
        200: answer("You had it already; what you sent of it was changed.", "UpstreamToken", headers=LOCATION),
    },
    problems=_BODY_PROBLEMS,
    body=json_body("UpstreamTokenRequest"),
    tag=_TAG,
)
LIST_TOKENS: Final = operation(
    "List your NemoVideo tokens",
    {200: answer("Newest first.", "UpstreamTokenList")},
    problems=(400, 422),
    parameters=PAGE,
    tag=_TAG,
)
GET_TOKEN: Final = operation(
    "Read a NemoVideo token", {200: answer("As it is now.", "UpstreamToken")}, problems=(404, 422), tag=_TAG
)
CHANGE_TOKEN: Final = operation(
    "Change a NemoVideo token, block it, or put a fresh secret in its place",
    {200: answer("As it is now.", "UpstreamToken")},
    problems=(*_BODY_PROBLEMS, 404, 409),
    body=json_body("UpstreamTokenPatch"),
    tag=_TAG,
)
REMOVE_TOKEN: Final = operation(
    "Take a NemoVideo token away",
    {204: answer("Nothing new is placed on it; projects that are bound to it go on.")},
    problems=(404,),
    tag=_TAG,
)
