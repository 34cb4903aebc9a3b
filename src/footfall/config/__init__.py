"""Every setting, with its default, its unit and its `FOOTFALL_...` environment variable.

A setting is known by one name in the environment, on the command line and in the documentation, such as `api_port`. In
the code it is a field of a part, such as `settings.api.port`: what takes a part depends on no other settings.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, get_type_hints

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from footfall.config.parts import (
    NO_ACTIVITY,
    ActivitySettings,
    ApiSettings,
    Appendfsync,
    AuthSettings,
    CheckinSettings,
    HttpSettings,
    LogSettings,
    Part,
    ProcessorSettings,
    ReceiverSettings,
    ServerSettings,
)
from footfall.config.removed import REMOVED
from footfall.errors import UsageError

__all__ = [
    "ENV_PREFIX",
    "NO_ACTIVITY",
    "REMOVED",
    "SETTINGS",
    "ActivitySettings",
    "ApiSettings",
    "Appendfsync",
    "AuthSettings",
    "CheckinSettings",
    "HttpSettings",
    "LogSettings",
    "ProcessorSettings",
    "ReceiverSettings",
    "ServerSettings",
    "Settings",
    "env_name",
    "load",
]

ENV_PREFIX = "FOOTFALL_"


@dataclass(frozen=True)
class Settings:
    """All settings of all services, by part."""

    server: ServerSettings
    checkins: CheckinSettings
    http: HttpSettings
    receiver: ReceiverSettings
    api: ApiSettings
    auth: AuthSettings
    processor: ProcessorSettings
    activity: ActivitySettings
    logs: LogSettings

    def value(self, name: str) -> Any:
        """The value of the setting of this name. Raises KeyError when there is none."""
        known = SETTINGS[name]
        return getattr(getattr(self, known.part), known.field)

    def with_values(self, **values: Any) -> "Settings":
        """These settings with other values of those of these names, which are taken as they are."""
        parts: dict[str, Part] = {}
        for name, value in values.items():
            part, field, _ = SETTINGS[name]
            parts[part] = (parts.get(part) or getattr(self, part)).model_copy(update={field: value})
        return replace(self, **parts)  # type: ignore[arg-type]

    def environment(self) -> dict[str, str]:
        """The environment that gives a child process these settings."""
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
        values = {name: value for name in SETTINGS if (value := self.value(name)) is not None}
        mine = {
            env_name(name): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in values.items()
        }
        return inherited | mine


class Setting(NamedTuple):
    """Where a setting is in `Settings`, and what it takes."""

    part: str
    field: str
    info: FieldInfo


_PARTS: dict[str, type[Part]] = {field.name: get_type_hints(Settings)[field.name] for field in fields(Settings)}

#: every setting by its name
SETTINGS: dict[str, Setting] = {
    info.alias or field: Setting(part, field, info)
    for part, kind in _PARTS.items()
    for field, info in kind.model_fields.items()
}


def env_name(setting: str) -> str:
    """The environment variable of a setting: `receiver_port` -> `FOOTFALL_RECEIVER_PORT`."""
    return ENV_PREFIX + setting.upper()


def load(options: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment; `options`, by name (None values are ignored), win over it.

    Raises UsageError, naming the setting, for an unknown `FOOTFALL_...` variable or a value it does not take.
    """
    given = _from_environment() | {name: value for name, value in (options or {}).items() if value is not None}
    values: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    for name, value in given.items():
        values[SETTINGS[name].part][name] = value
    parts, problems = {}, []
    for part, kind in _PARTS.items():
        try:
            parts[part] = kind.model_validate(values[part])
        except ValidationError as error:
            problems += [f"{env_name(str(item['loc'][0]))}: {item['msg']}" for item in error.errors()]
    if problems:
        raise UsageError("; ".join(problems))
    return Settings(**parts)  # type: ignore[arg-type]


def _from_environment() -> dict[str, str]:
    """The values of the settings that have a variable, which may be written in lower case. Raises UsageError."""
    variables = {name: value for name, value in os.environ.items() if name.upper().startswith(ENV_PREFIX)}
    names = {env_name(name): name for name in SETTINGS}
    unknown = sorted(variable for variable in variables if variable.upper() not in names)
    removed = [variable for variable in unknown if variable.upper() in REMOVED]
    if removed:  # it may have answered a question, or chosen what is loaded: it must not count for nothing unsaid
        options = ", ".join(f"`{REMOVED[variable.upper()]}` instead of {variable}" for variable in removed)
        raise UsageError(f"options of one command are not set in the environment: give {options}")
    if unknown:
        raise UsageError(f"unknown setting {', '.join(unknown)}; the help of each command lists its settings")
    return {names[variable.upper()]: value for variable, value in variables.items()}
