"""Types of path and query parameters: each checks itself, and describes itself in the OpenAPI document.

The framework's own conversion is lax: it takes `5.0`, `+1` or Arabic digits for an `int`.
"""

import re
from typing import Any, ClassVar, Self

from litestar.config.app import AppConfig
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import InitPlugin, OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from footfall.model import MAX_ID, MAX_TIME_MS, parse_entry_id

#: no sign, no leading zeros, ASCII digits only; longer ones exceed 64 bits
_is_whole_number = re.compile(r"(0|[1-9][0-9]{0,19})").fullmatch


#: half of an entry id, as far as a pattern can tell which have 64 bits
_COUNTER = "(0|[1-9][0-9]{0,18})"


class WholeNumber(int):
    """An integer in its one canonical form, between bounds that a subclass sets."""

    least: ClassVar[int]
    most: ClassVar[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, saying what is taken, for anything else."""
        if _is_whole_number(text) and cls.least <= int(text) <= cls.most:
            return cls(text)
        raise ValueError(f"must be a whole number from {cls.least} to {cls.most}")

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.INTEGER, minimum=cls.least, maximum=cls.most)


class IdParameter(WholeNumber):
    """The id of a user or a location."""

    least, most = 1, MAX_ID


class TimeParameter(WholeNumber):
    """A time in ms."""

    least, most = 0, MAX_TIME_MS


class LimitParameter(WholeNumber):
    """How many at most."""

    least, most = 1, 1000


class EntryIdParameter(str):
    """The id of an entry, `<ms>-<sequence number>`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError when it is not an entry id."""
        try:
            parse_entry_id(text)
        except ValueError:
            raise ValueError("must be the id of an entry, such as 1609602085397-0") from None
        return cls(text)

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.STRING, pattern=f"^{_COUNTER}-{_COUNTER}$")


def _is_parameter(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, WholeNumber | EntryIdParameter)


def _parse(kind: type[WholeNumber | EntryIdParameter], text: str) -> Any:
    return kind.parse(text)


class Parameters(InitPlugin, OpenAPISchemaPlugin):
    """Makes an app know these types."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.type_decoders = [*(app_config.type_decoders or []), (_is_parameter, _parse)]
        return app_config

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return _is_parameter(value)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002
        schema: Schema = field_definition.annotation.schema()
        return schema
