"""The commands that change single users and locations."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress

from footfall.cli.app import app
from footfall.cli.options import LOGS, SERVER, command
from footfall.cli.shared import client_of, confirmed, server
from footfall.errors import UsageError

# ruff: noqa: PLC0415 - as in services.py

_PANEL = "Data"

_Action = Annotated[Literal["add", "set", "remove"], typer.Argument(help="What to do.")]
_Id = Annotated[int | None, typer.Argument(metavar="ID", help="Whose; for add it may be in the document.")]
_Document = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Fields as a JSON object; `-`: on standard input.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the typed confirmation of remove.")]


@command(app, "users", "bcrypt_cost", *SERVER, *LOGS, panel=_PANEL)
def users(
    context: typer.Context,
    action: _Action,
    user_id: _Id = None,
    first_name: Annotated[str | None, typer.Option("--first-name", help="First name.")] = None,
    last_name: Annotated[str | None, typer.Option("--last-name", help="Last name.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="E-mail; no two users have the same.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
    ] = False,
    ask_password: Annotated[bool, typer.Option("--ask-password", help="Ask for a new password, with set.")] = False,
    document: _Document = None,
    yes: _Yes = False,
) -> None:
    """Add, change or remove one user, while everything runs; no counter is changed.

    add asks for the password when it is in no document. set changes what is given; a new password ends the user's
    sessions. remove is for good: the id is not given out again, and the user's later check-ins become dead letters.
    """
    from footfall.operations.manage import command as work

    options = {"firstName": first_name, "lastName": last_name, "email": email}
    given = _given(action, options, document, yes=yes)
    if (password_stdin or ask_password) and (action == "remove" or (password_stdin and str(document) == "-")):
        raise UsageError("remove takes no password, and standard input cannot be both document and password")
    record = work.require_id(user_id, given)
    if password_stdin or ask_password or (action == "add" and "password" not in given):
        given["password"] = work.password(from_stdin=password_stdin)
    with server(context) as settings, client_of(settings) as client:
        if action == "remove" and not yes:
            work.require_confirmed("user", record, confirmed(Progress(disable=True), "remove"))
        print(work.users(action, record, given, settings, client))


@command(app, "locations", *SERVER, *LOGS, panel=_PANEL)
def locations(
    context: typer.Context,
    action: _Action,
    location_id: _Id = None,
    name: Annotated[str | None, typer.Option("--name", help="Name.")] = None,
    category: Annotated[str | None, typer.Option("--category", help="Category, such as `cafe`.")] = None,
    location: Annotated[str | None, typer.Option("--location", help="Place: `lng,lat` in degrees.")] = None,
    document: _Document = None,
    yes: _Yes = False,
) -> None:
    """Add, change or remove one location, while everything runs; no counter is changed.

    Details come with --json; in a document for set, null removes them. remove is for good: the id is not given out
    again, and later check-ins there become dead letters.
    """
    from footfall.operations.manage import command as work

    given = _given(action, {"name": name, "category": category, "location": location}, document, yes=yes)
    record = work.require_id(location_id, given)
    with server(context) as settings, client_of(settings) as client:
        if action == "remove" and not yes:
            work.require_confirmed("location", record, confirmed(Progress(disable=True), "remove"))
        print(work.locations(action, record, given, settings, client))


def _given(action: str, options: dict[str, str | None], document: Path | None, *, yes: bool) -> dict[str, object]:
    """The fields that the command line gives. Raises UsageError for what the action does not take."""
    from footfall.operations.manage import command as work

    given = work.fields(options, document)
    if action == "remove" and given:
        raise UsageError("remove takes an id, and no fields")
    if action != "remove" and yes:
        raise UsageError("--yes is for remove")
    return given
