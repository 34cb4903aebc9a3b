"""The command that manages tokens."""

from typing import Annotated, Literal

import typer

from footfall.cli.app import app
from footfall.cli.options import LOGS, SERVER, Json, command
from footfall.cli.shared import client_of, server
from footfall.errors import UsageError

# ruff: noqa: PLC0415 - as in services.py


@command(app, "tokens", *SERVER, *LOGS, panel="Data")
def tokens(
    context: typer.Context,
    action: Annotated[Literal["create", "list", "revoke"], typer.Argument(help="What to do.")],
    name: Annotated[str | None, typer.Argument(help="Of the token; each has its own.")] = None,
    role: Annotated[
        Literal["checkin", "admin"],
        typer.Option("--role", help="What the token may do: `checkin`: post check-ins; `admin`: all."),
    ] = "checkin",
    rate: Annotated[
        int,
        typer.Option(
            "--rate", min=0, max=1_000_000, help="Check-ins that the token may post in a second; 0: no limit."
        ),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Create, list and revoke tokens: with one, a program posts check-ins of any user, or manages users and locations.

    A token is printed once, by create; the server keeps only its SHA-256. A revoked one is refused everywhere within
    two seconds.
    """
    from footfall.identity import tokens as work
    from footfall.keys import Keys

    if (name is None) != (action == "list"):
        raise UsageError(f"{action} takes " + ("no name" if name else "the name of a token"))
    with server(context) as settings, client_of(settings) as client:
        keys = Keys(settings.server.prefix)
        if action == "list":
            known = [token for _, token in work.all_tokens(client, keys)]
            print(work.as_json(known) if as_json else work.as_text(known))
        elif action == "create":
            assert name is not None
            secret = work.create(client, keys, name, role, rate)
            print(f'{{"name":"{name}","token":"{secret}"}}' if as_json else secret)
        else:
            assert name is not None
            work.revoke(client, keys, name)
