"""Command-line options of settings: name, type, variable, default and help text come from there.

What only one command takes is no setting: it is a parameter of the command's function, and has no variable.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from footfall import config
from footfall.config import SETTINGS, Settings, env_name

#: what nearly every command takes: where the data are, and how to log
SERVER = ("redis_url", "data_dir", "prefix")
LOGS = ("log_level", "log_format")
#: what every HTTP service takes
HTTP = (
    *("host", "request_timeout", "keepalive_timeout_s", "max_connections"),
    *("cors_origins", "trusted_proxies", "server_timeout", "server_check_s"),
)
#: for commands that ask before they drop something; only ever on the command line, where it is about this one call
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the typed confirmation.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

#: which kinds of activity are kept
ACTIVITY = ("history", "now", "hourly", "trending")


def command(
    app: typer.Typer, name: str, *settings: str, panel: str, flags: Mapping[str, str] | None = None, **options: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function the command `name`, with an option for each of these settings.

    The function takes the context, from which `settings_from` reads them, and what is no setting. A flag is the
    setting's name, without the command's own in front: `receiver_port` is `--port` of `receiver`; `flags` has others.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function).parameters

        @functools.wraps(function)
        def run(**given: Any) -> None:
            function(**{parameter: given[parameter] for parameter in own})

        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.values()]
        for setting in settings:
            flag = (flags or {}).get(setting) or _flag(name, setting)
            parameters.append(_parameter(setting, flag))
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name, rich_help_panel=panel, **options)(run)
        return run

    return decorate


def settings_from(context: typer.Context) -> Settings:
    """The settings that the command line and the environment give. Raises UsageError."""
    return config.load({name: value for name, value in context.params.items() if name in SETTINGS})


# --- private


def _flag(command: str, setting: str) -> str:
    return "--" + setting.removeprefix(command.replace("-", "_") + "_").replace("_", "-")


def _parameter(setting: str, flag: str) -> inspect.Parameter:
    """Its value is None when the option is not given, so that the environment counts."""
    taken = _type(SETTINGS[setting].info.annotation)
    annotation = Annotated[taken | None, _option(setting, flag)]  # type: ignore[valid-type]
    return inspect.Parameter(setting, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(setting: str, flag: str) -> Any:
    field = SETTINGS[setting].info
    default = "" if field.default in (None, False) else f", default {field.default}"
    if field.default is True:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    said = f"{field.description} [{env_name(setting)}{default}]"
    kind = "<path>" if field.annotation in (Path, Path | None) else None
    return typer.Option(flag, help=said, show_default=False, metavar=kind)


def _type(annotation: Any) -> Any:
    """What the command line takes for a setting of this type; the settings themselves check it further."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    # a path that is empty cannot be told any more from the working directory
    if get_origin(annotation) is Literal or annotation is Path or issubclass(annotation, Enum):
        return str
    assert annotation in (bool, int, float, str), annotation
    return annotation
