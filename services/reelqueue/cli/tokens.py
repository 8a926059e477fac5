"""`token`: the NemoVideo tokens that jobs run on, of the shared pool and of tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reelqueue.cli.offline import AsJson, open_services, show

if TYPE_CHECKING:
    from reelqueue.domain.tokens import TokenInUse, TokenScope, TokenWish
    from reelqueue.wiring.services import Services

MOST_LISTED = 1000

TokenId = Annotated[str, typer.Argument(metavar="TOKEN_ID", help="The id, `tok_…`; never the token itself.")]
Owner = Annotated[str | None, typer.Option("--tenant", help="Id or name of the tenant; left out: the shared pool.")]
Label = Annotated[str | None, typer.Option(help="A name for people.")]
Plan = Annotated[str | None, typer.Option(help="What you call the account's plan.")]
PerMinute = Annotated[int | None, typer.Option(min=1, help="Requests a minute that the account allows.")]
Burst = Annotated[int | None, typer.Option(min=1, help="Requests that may leave at once.")]
MaxTurns = Annotated[int | None, typer.Option(min=0, help="Turns at a time; 0 places nothing.")]
Scopes = Annotated[
    str | None,
    typer.Option(help="What it may do, comma separated: read, write, upload, render or *. A hint for placing jobs."),
]
MaxRenders = Annotated[int | None, typer.Option(min=0, help="Exports at a time.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    token = typer.Typer()
    app.add_typer(token, name="token", help="NemoVideo tokens.", no_args_is_help=True)
    token.command("add")(add_token)
    token.command("list")(list_tokens)
    token.command("show")(show_token)
    token.command("set")(set_token)
    token.command("block")(block_token)
    token.command("unblock")(unblock_token)
    token.command("remove")(remove_token)
    token.command("check")(check_token)


def add_token(
    *,
    tenant: Owner = None,
    label: Label = None,
    requests_per_minute: PerMinute = None,
    burst: Burst = None,
    max_turns: MaxTurns = None,
    max_renders: MaxRenders = None,
    scopes: Scopes = None,
    plan: Plan = None,
    check: Annotated[bool, typer.Option(help="Ask NemoVideo for its balance first; refuse what it rejects.")] = True,
    as_json: AsJson = False,
) -> None:
    """Add a NemoVideo token. It is read from NEMO_TOKEN or typed in: an argument would show in process lists."""
    secret = _secret()
    wish = _wish(
        label=label,
        plan=plan,
        requests_per_minute=requests_per_minute,
        burst=burst,
        max_turns=max_turns,
        max_renders=max_renders,
        scopes=_scopes(scopes),
    )
    with open_services() as services:
        owner = None if tenant is None else services.tenants.find(tenant).id
        add = services.token_keeping.add if check else services.token_records.keep
        known, _ = add(owner, secret, wish)
        _show(services, known, as_json=as_json)


def list_tokens(tenant: Owner = None, *, as_json: AsJson = False) -> None:
    """List the tokens of the shared pool, or of a tenant, newest first."""
    with open_services() as services:
        owner = None if tenant is None else services.tenants.find(tenant).id
        for known in services.token_keeping.list(owner, before=None, limit=MOST_LISTED):
            _show(services, known, as_json=as_json)


def show_token(token_id: TokenId, *, as_json: AsJson = False) -> None:
    """Show one token: health, limits, what it carries, its balance as last read."""
    with open_services() as services:
        owner = services.token_records.owner_of(token_id)
        _show(services, services.token_keeping.find(owner, token_id), as_json=as_json)


def set_token(
    token_id: TokenId,
    *,
    label: Label = None,
    requests_per_minute: PerMinute = None,
    burst: Burst = None,
    max_turns: MaxTurns = None,
    max_renders: MaxRenders = None,
    scopes: Scopes = None,
    plan: Plan = None,
    rotate: Annotated[bool, typer.Option(help="Read a fresh secret of the same account too, as `add` does.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change a token's name or limits, for jobs that wait already too."""
    secret = _secret() if rotate else None
    wish = _wish(
        label=label,
        plan=plan,
        requests_per_minute=requests_per_minute,
        burst=burst,
        max_turns=max_turns,
        max_renders=max_renders,
        scopes=_scopes(scopes),
    )
    with open_services() as services:
        owner = services.token_records.owner_of(token_id)
        _show(services, services.token_keeping.change(owner, token_id, wish, secret), as_json=as_json)


def block_token(
    token_id: TokenId,
    *,
    why: Annotated[str | None, typer.Option(help="For people. Of a tenant's token the tenant reads it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let nothing new begin on a token. Its projects' jobs wait; turns and exports that run go on to their end."""
    _change_block(token_id, on=True, why=why, as_json=as_json)


def unblock_token(token_id: TokenId, *, as_json: AsJson = False) -> None:
    """Take a block back, whoever set it. Jobs that wait for the token go on."""
    _change_block(token_id, on=False, why=None, as_json=as_json)


def remove_token(token_id: TokenId) -> None:
    """Place nothing more on a token. Projects that are bound to it go on."""
    with open_services() as services:
        services.token_keeping.remove(services.token_records.owner_of(token_id), token_id)


def check_token(token_id: TokenId, *, as_json: AsJson = False) -> None:
    """Ask NemoVideo for the balance now. Fails where the token may not be used for new projects."""
    with open_services() as services:
        known = services.token_keeping.check(services.token_records.owner_of(token_id), token_id)
        _show(services, known, as_json=as_json)
        health = known.token.health_at(services.clock.now())
    if health != "ok":
        raise typer.Exit(1)


def _change_block(token_id: str, *, on: bool, why: str | None, as_json: bool) -> None:
    from reelqueue.domain.tokens import Block, BlockedBy  # noqa: PLC0415

    wish = _wish(block=Block(on=on, by=BlockedBy.OPERATOR, why=why))
    with open_services() as services:
        owner = services.token_records.owner_of(token_id)
        _show(services, services.token_keeping.change(owner, token_id, wish), as_json=as_json)


def _scopes(told: str | None) -> tuple[TokenScope, ...] | None:
    from reelqueue.domain.tokens import TokenScope  # noqa: PLC0415

    if told is None:
        return None
    words = dict.fromkeys(word.strip() for word in told.split(",") if word.strip())
    known = [scope.value for scope in TokenScope]
    if unknown := sorted(set(words) - set(known)):
        raise typer.BadParameter(f"no such scope: {', '.join(unknown)}", param_hint="--scopes")
    return tuple(TokenScope(word) for word in words)


def _secret() -> str:
    from reelqueue.settings import load_settings  # noqa: PLC0415

    given = load_settings().nemo.token
    typed: str = typer.prompt("NemoVideo token", hide_input=True) if given is None else given.get_secret_value()
    return typed


def _wish(**wished: Any) -> TokenWish:
    from reelqueue.domain.tokens import TokenWish  # noqa: PLC0415

    return TokenWish(**wished)


def _show(services: Services, known: TokenInUse, *, as_json: bool) -> None:
    from reelqueue.domain.token_documents import token_document  # noqa: PLC0415

    document = token_document(known, services.clock.now())
    row = {**_flat(document), "tenant": known.token.tenant_id}
    show(row, as_json=as_json, nothing="-")


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """One line a fact, without what only the API needs."""
    balance, in_use, blocked = document["balance"], document["in_use"], document["blocked"] or {}
    return {
        "id": document["id"],
        "label": document["label"],
        "health": document["health"],
        "blocked_since": blocked.get("since"),
        "blocked_by": blocked.get("by"),
        "blocked_why": blocked.get("why"),
        "cooling_until": document["cooling_until"],
        **document["limits"],
        "turns_in_use": in_use["turns"],
        "renders_in_use": in_use["renders"],
        "available": balance["available"],
        "frozen": balance["frozen"],
        "balance_as_of": balance["as_of"],
        "scopes": ",".join(document["scopes"]) or None,
        "refused_scopes": ",".join(document["refused_scopes"]) or None,
        "plan": document["plan"],
        "expires_at": document["expires_at"],
        "created_at": document["created_at"],
    }
