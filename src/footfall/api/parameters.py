"""Types of path and query parameters: each checks itself, and describes itself in the OpenAPI document.

The framework's own conversion is lax: it takes `5.0`, `+1` or Arabic digits for an `int`.
"""

import re
from typing import Any, ClassVar, Self
from urllib.parse import unquote

from litestar.config.app import AppConfig
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import InitPlugin, OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from footfall.domain.entries import parse_entry_id
from footfall.domain.model import EMAIL, MAX_ID, MAX_LATITUDE, MAX_LONGITUDE, MAX_TIME_MS

#: no sign, no leading zeros, ASCII digits only; longer ones exceed 64 bits
_is_whole_number = re.compile(r"(0|[1-9][0-9]{0,19})").fullmatch
#: as in JSON
_is_decimal = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?").fullmatch


#: half of an entry id, as far as a pattern can tell which have 64 bits
_COUNTER = "(0|[1-9][0-9]{0,18})"


class Parameter:
    """Base of all of them."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value, from its text. Raises ValueError, saying what is taken, for anything else."""
        raise NotImplementedError

    @classmethod
    def schema(cls) -> Schema:
        """What the OpenAPI document says of it."""
        raise NotImplementedError


class WholeNumber(Parameter, int):
    """An integer in its one canonical form, between bounds that a subclass sets."""

    least: ClassVar[int]
    most: ClassVar[int]

    @classmethod
    def parse(cls, text: str) -> Self:
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


class IdListParameter(Parameter, str):
    """Ids of records, with commas between."""

    __slots__ = ()

    most: ClassVar[int] = 100

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = text.split(",")
        if len(parts) <= cls.most and all(_is_whole_number(part) and 0 < int(part) <= MAX_ID for part in parts):
            return cls(text)
        raise ValueError(f"must be up to {cls.most} ids, from 1 to {MAX_ID}, with commas between")

    @classmethod
    def schema(cls) -> Schema:
        # not an array: the framework would take the parameter apart
        return Schema(type=OpenAPIType.STRING, pattern=r"^[1-9][0-9]{0,15}(,[1-9][0-9]{0,15}){0,99}$")

    @property
    def values(self) -> list[int]:
        """The ids."""
        return list(map(int, self.split(",")))


class LimitParameter(WholeNumber):
    """How many at most."""

    least, most = 1, 1000

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.INTEGER, minimum=cls.least, maximum=cls.most, examples=[10])


class DayParameter(WholeNumber):
    """A day of the week; 0 is Monday."""

    least, most = 0, 6


class StarsParameter(WholeNumber):
    """How many stars at least: 0 would ask for nothing."""

    least, most = 1, 5


class Decimal(Parameter, float):
    """A finite number, written as in JSON, between bounds that a subclass sets."""

    #: in the words of a refusal
    bounds: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        if _is_decimal(text) and cls._takes(float(text)):
            return cls(text)
        raise ValueError(f"must be a number {cls.bounds}")

    @classmethod
    def _takes(cls, value: float) -> bool:
        raise NotImplementedError


class LatitudeParameter(Decimal):
    """In degrees."""

    bounds = f"from -{MAX_LATITUDE:.8f} to {MAX_LATITUDE:.8f}"

    @classmethod
    def _takes(cls, value: float) -> bool:
        return abs(value) <= MAX_LATITUDE

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.NUMBER, minimum=-MAX_LATITUDE, maximum=MAX_LATITUDE)


class LongitudeParameter(Decimal):
    """In degrees."""

    bounds = f"from -{MAX_LONGITUDE:g} to {MAX_LONGITUDE:g}"

    @classmethod
    def _takes(cls, value: float) -> bool:
        return abs(value) <= MAX_LONGITUDE

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.NUMBER, minimum=-MAX_LONGITUDE, maximum=MAX_LONGITUDE)


class RadiusParameter(Decimal):
    """In miles."""

    #: a little less than half the way around the earth
    most: ClassVar[float] = 12_400
    bounds = f"above 0, at most {most}"

    @classmethod
    def _takes(cls, value: float) -> bool:
        return 0 < value <= cls.most

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.NUMBER, exclusive_minimum=0, maximum=cls.most)


class BooleanParameter(Parameter, int):
    """`true` or `false`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        if text in ("true", "false"):
            return cls(text == "true")
        raise ValueError("must be true or false")

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.BOOLEAN)


class EntryIdParameter(Parameter, str):
    """The id of an entry, `<ms>-<sequence number>`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            parse_entry_id(text)
        except ValueError:
            raise ValueError("must be the id of an entry, such as 1609602085397-0") from None
        return cls(text)

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.STRING, pattern=f"^{_COUNTER}-{_COUNTER}$")


class Pattern(Parameter, str):
    """Text of a pattern that a subclass sets."""

    __slots__ = ()
    pattern: ClassVar[str]
    #: in the words of a refusal
    expected: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        if re.fullmatch(cls.pattern, text):
            return cls(text)
        raise ValueError(f"must be {cls.expected}")

    @classmethod
    def schema(cls) -> Schema:
        return Schema(type=OpenAPIType.STRING, pattern=f"^{cls.pattern}$")


class CategoryParameter(Pattern):
    """A category of locations."""

    __slots__ = ()
    pattern = "[a-z0-9][a-z0-9_-]{0,63}"
    expected = "a category: at most 64 lower-case letters, digits, _ and -"


class EmailParameter(Pattern):
    """An e-mail address, as far as users may have it; as the rest of a path, not decoded yet (`paths`)."""

    __slots__ = ()
    pattern = EMAIL
    expected = "an e-mail address"

    @classmethod
    def parse(cls, text: str) -> Self:
        return super().parse(unquote(text.removeprefix("/")))  # the framework's, before the rest of a path


class CursorParameter(Pattern):
    """Where a page of a list begins that is ordered by a number: behind `<number>-<id>`."""

    __slots__ = ()
    pattern = "(0|[1-9][0-9]{0,15})-[1-9][0-9]{0,15}"
    expected = "from a link to a next page, such as 2332-180"

    @property
    def number(self) -> str:
        return self.partition("-")[0]

    @property
    def id(self) -> str:
        return self.partition("-")[2]


class DistanceCursorParameter(Pattern):
    """Where a page of a list begins that is ordered by distance: behind `<miles>-<id>`."""

    __slots__ = ()
    pattern = r"(0|[1-9][0-9]{0,4})\.[0-9]{4}-[1-9][0-9]{0,15}"
    expected = "from a link to a next page, such as 1.2500-13"

    @property
    def distance(self) -> float:
        return float(self.partition("-")[0])

    @property
    def id(self) -> int:
        return int(self.partition("-")[2])


class SectionsParameter(Pattern):
    """Sections of a location's details, with commas between them."""

    __slots__ = ()
    names: ClassVar[tuple[str, ...]] = ("socials", "website", "description", "phone", "hours")
    pattern = "({0})(,({0}))*".format("|".join(names))
    expected = "some of " + ",".join(names)


def _is_parameter(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Parameter)


def _parse(kind: type[Parameter], text: str) -> Any:
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
