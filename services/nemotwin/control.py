"""The control routes. They are no part of the API: they are for tests, the demo and a person who wants to see.

All are under the first origin, take and give JSON, and need no token. Tokens are told by their fingerprint only: the
first 16 hex digits of the SHA-256.

`POST /_twin/tokens {credits=1000, plan="paid", expires_in=null, scopes=["*"], requests_per_minute=null, …}`
    issues a token of a new registered user; `plan` is `free` or `paid`, `expires_in` virtual seconds (`null`: never),
    `scopes` are `read`, `write`, `upload`, `render` or `*`. Answers `{token, user_id, fingerprint, expires_at}`.
    `requests_per_minute` and `parallel_turns` are limits of its own beside those of the settings, which hold for all.
`POST /_twin/tokens/limits {token, requests_per_minute=null, parallel_turns=null}`
    sets both; 0 is no limit, `null` what the settings say. A request over the limit in any sliding minute of virtual
    time, and a turn beside too many, is answered with 429.
`GET /_twin/limits`
    shows what each token did, by fingerprint: `{most_in_a_minute, most_turns, refused}`.
`POST /_twin/tokens/expire {token}`
    ends a token's life now (code 1001), and with it the window of its client id.
`POST /_twin/tokens/revoke {token}`
    revokes it (401); the window stays.
`POST /_twin/tokens/credits {token, available}`
    sets what its account has left.
`POST /_twin/sessions/lose {session_id}`
    forgets a session: code 1002 from now on.
`GET /_twin/ledger[?only=turns,charges][&session_id=…]`
    shows everything seen: `tokens, sessions, turns, uploads, renders, charges, requests, tokens_in_urls` and
    `bearers_at_cdn`.
`POST /_twin/reset`
    forgets everything, disarms all faults, takes loaded scenarios away and goes back to the settings of the start.
`GET /_twin/faults`
    shows the `armed` faults, and the `known` ones by name: `{says, endpoints, contract, parameters}`, where
    `parameters` are JSON schemas with the defaults. It is `nemotwin.mishaps.CATALOG`, every fault of `contract §15.2`.
`POST /_twin/faults {endpoint, fault, count=1, after=0, also=[], …parameters}`
    arms one. `endpoint` is one that the fault makes sense at (`nemotwin.endpoints` has the names), or `*` for all of
    those; `after` calls pass first; `count: null` is always. With `also: [{fault, …parameters}]` several strike as
    one, the first nearest to the wire. Of several that are armed the first strikes, and the others count the call.
`DELETE /_twin/faults[?id=flt_1]`
    disarms one, or all.
`POST /_twin/scenarios`, with a YAML text as the body
    loads scenarios (`docs/scenarios.md`), each in place of one of its name, and answers `{loaded}`. `GET` shows all
    that are `known`, and which session is `bound` to which; `DELETE` takes away what was loaded and ends every binding.
`GET /_twin/settings`, `POST /_twin/settings {…}`
    reads or changes any field of `nemotwin.settings.Settings`.
`GET /_twin/clock`, `POST /_twin/clock {advance}`
    tells the virtual time, the speed, in how many virtual seconds something is `next` to happen (`null`: nothing waits)
    and whether a turn or a render is at work; jumps ahead by virtual seconds.

A bad value is answered with 422 and `{"detail": …}`.
"""

import dataclasses
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nemotwin.accounts import Scope, iso
from nemotwin.faults import UnknownFaultError
from nemotwin.ledger import TokenEntry, fingerprint
from nemotwin.mishaps import CATALOG
from nemotwin.requests import body_of, world_of
from nemotwin.settings import UnknownSettingError


class NewToken(BaseModel):
    """A token to issue."""

    model_config = ConfigDict(extra="forbid")

    credits: int = Field(default=1000, ge=0)
    plan: Literal["free", "paid"] = "paid"
    expires_in: float | None = None
    scopes: list[Scope] = ["*"]
    requests_per_minute: int | None = Field(default=None, ge=0)
    parallel_turns: int | None = Field(default=None, ge=0)


class KnownToken(BaseModel):
    """A token that was issued."""

    token: str


class OwnLimits(KnownToken):
    """A token, and what it may do at a time."""

    requests_per_minute: int | None = Field(default=None, ge=0)
    parallel_turns: int | None = Field(default=None, ge=0)


class Balance(KnownToken):
    """A token, and what its account shall have."""

    available: int = Field(ge=0)


class LostSession(BaseModel):
    """A session to forget."""

    session_id: str


class OtherFault(BaseModel):
    """A fault that strikes together with another; what is not named here is its parameters."""

    model_config = ConfigDict(extra="allow")

    fault: str


class NewFault(OtherFault):
    """A fault to arm."""

    endpoint: str
    also: list[OtherFault] = []
    count: int | None = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)


class Jump(BaseModel):
    """How far to jump ahead, in virtual seconds."""

    advance: float = Field(ge=0)


async def issue_token(request: Request) -> Response:
    """Issue a registered token."""
    world, body = world_of(request), await body_of(request, NewToken)
    token = world.accounts.issue_registered(
        plan=body.plan, credits_=body.credits, expires_in=body.expires_in, scopes=body.scopes
    )
    token.requests_per_minute, token.parallel_turns = body.requests_per_minute, body.parallel_turns
    at, real_at = world.ledger.stamp()
    print_ = fingerprint(token.value)
    world.ledger.book.tokens.append(
        TokenEntry(at=at, real_at=real_at, token=print_, user_id=token.user_id, client_id=None, plan=body.plan)
    )
    return JSONResponse(
        {
            "token": token.value,
            "user_id": token.user_id,
            "fingerprint": print_,
            "expires_at": None if token.expires_at is None else iso(token.expires_at),
        }
    )


async def expire_token(request: Request) -> Response:
    """End a token's life."""
    body = await body_of(request, KnownToken)
    return _done(found=world_of(request).accounts.expire(body.token))


async def revoke_token(request: Request) -> Response:
    """Revoke a token."""
    body = await body_of(request, KnownToken)
    return _done(found=world_of(request).accounts.revoke(body.token))


async def set_limits(request: Request) -> Response:
    """Set a token's own limits."""
    body = await body_of(request, OwnLimits)
    limits = body.model_dump(exclude={"token"})
    return _done(found=world_of(request).accounts.limit(body.token, **limits))


async def show_limits(request: Request) -> Response:
    """Show what each token did at a time."""
    return JSONResponse(
        {
            fingerprint(value): {
                "most_in_a_minute": use.most_in_a_minute,
                "most_turns": use.most_turns,
                "refused": use.refused,
            }
            for value, use in world_of(request).limits.uses.items()
        }
    )


async def set_credits(request: Request) -> Response:
    """Set what an account has left."""
    world, body = world_of(request), await body_of(request, Balance)
    token = world.accounts.tokens.get(body.token)
    if token is not None:
        world.accounts.account_of(token).available = body.available
    return _done(found=token is not None)


async def lose_session(request: Request) -> Response:
    """Forget a session."""
    body = await body_of(request, LostSession)
    session = world_of(request).sessions.by_id.get(body.session_id)
    if session is not None:
        session.lost = True
    return _done(found=session is not None)


async def ledger(request: Request) -> Response:
    """Show the ledger."""
    dumped = world_of(request).ledger.dump()
    only, session_id = request.query_params.get("only"), request.query_params.get("session_id")
    if only is None and session_id is None:
        return Response(dumped, media_type="application/json")
    book = json.loads(dumped)
    wanted = only.split(",") if only is not None else list(book)
    shown = {name: book[name] for name in wanted if name in book}
    if session_id is not None:
        shown = {
            name: [line for line in lines if line.get("session_id") == session_id]
            for name, lines in shown.items()
            if isinstance(lines, list)
        }
    return JSONResponse(shown)


async def reset(request: Request) -> Response:
    """Forget everything."""
    await world_of(request).reset()
    return _done(found=True)


async def list_faults(request: Request) -> Response:
    """Show armed and known faults."""
    known = {
        name: {
            "says": mishap.says,
            "endpoints": mishap.endpoints,
            "contract": mishap.contract,
            "parameters": mishap.schema,
        }
        for name, mishap in CATALOG.items()
    }
    return JSONResponse({"armed": [armed.view() for armed in world_of(request).faults.armed], "known": known})


async def arm_fault(request: Request) -> Response:
    """Arm a fault."""
    body = await body_of(request, NewFault)
    try:
        armed = world_of(request).faults.arm(
            body.fault,
            body.endpoint,
            count=body.count,
            after=body.after,
            params=body.model_extra or {},
            also=[(other.fault, other.model_extra or {}) for other in body.also],
        )
    except UnknownFaultError as error:
        return JSONResponse({"detail": str(error)}, 422)
    except ValidationError as error:
        return _invalid(error)
    return JSONResponse(armed.view())


async def disarm_faults(request: Request) -> Response:
    """Disarm one fault or all."""
    return JSONResponse({"disarmed": world_of(request).faults.disarm(request.query_params.get("id"))})


async def show_settings(request: Request) -> Response:
    """Show the settings in force."""
    return JSONResponse(dataclasses.asdict(world_of(request).dials.now))


async def change_settings(request: Request) -> Response:
    """Change settings; nothing changes if any value is bad."""
    world = world_of(request)
    try:
        settings = world.dials.change(dict(json.loads(await request.body()).items()))
    except UnknownSettingError as error:
        return JSONResponse({"detail": f"no such setting: {error}"}, 422)
    except ValidationError as error:
        return _invalid(error)
    except (ValueError, AttributeError):
        return JSONResponse({"detail": "a JSON object is expected"}, 422)
    world.clock.set_speed(settings.speed)
    return JSONResponse(dataclasses.asdict(settings))


async def show_clock(request: Request) -> Response:
    """Show the virtual time."""
    world = world_of(request)
    clock, at_work = world.clock, world.turns.running > 0 or world.renders.working > 0
    return JSONResponse({"now": clock.now(), "speed": clock.speed, "next": clock.next, "at_work": at_work})


async def jump(request: Request) -> Response:
    """Jump ahead."""
    body = await body_of(request, Jump)
    world_of(request).clock.advance(body.advance)
    return await show_clock(request)


def _done(*, found: bool) -> Response:
    return JSONResponse({"ok": True}) if found else JSONResponse({"detail": "not found"}, 404)


def _invalid(error: ValidationError) -> Response:
    return JSONResponse({"detail": error.errors(include_url=False, include_context=False, include_input=False)}, 422)


ROUTES = [
    Route("/_twin/tokens", issue_token, methods=["POST"]),
    Route("/_twin/tokens/expire", expire_token, methods=["POST"]),
    Route("/_twin/tokens/revoke", revoke_token, methods=["POST"]),
    Route("/_twin/tokens/limits", set_limits, methods=["POST"]),
    Route("/_twin/limits", show_limits, methods=["GET"]),
    Route("/_twin/tokens/credits", set_credits, methods=["POST"]),
    Route("/_twin/sessions/lose", lose_session, methods=["POST"]),
    Route("/_twin/ledger", ledger, methods=["GET"]),
    Route("/_twin/reset", reset, methods=["POST"]),
    Route("/_twin/faults", list_faults, methods=["GET"]),
    Route("/_twin/faults", arm_fault, methods=["POST"]),
    Route("/_twin/faults", disarm_faults, methods=["DELETE"]),
    Route("/_twin/settings", show_settings, methods=["GET"]),
    Route("/_twin/settings", change_settings, methods=["POST"]),
    Route("/_twin/clock", show_clock, methods=["GET"]),
    Route("/_twin/clock", jump, methods=["POST"]),
]
