"""What OpenAPI documents say of sessions and tokens."""

from dataclasses import dataclass

from litestar.openapi.spec import OpenAPIHeader, OpenAPIResponse, Operation, Schema, SecurityScheme
from litestar.openapi.spec.enums import OpenAPIType

from footfall.identity.credentials import COOKIE

#: what routes may name as their `security`
SECURITY_SCHEMES = {
    "session": SecurityScheme(
        type="apiKey", security_scheme_in="cookie", name=COOKIE, description="A session: `POST /login` begins one"
    ),
    "token": SecurityScheme(type="http", scheme="bearer", description="A token: `footfall tokens create` makes one"),
}
#: the `security` of routes that take either, and of those that need none
SENDER: list[dict[str, list[str]]] = [{"session": []}, {"token": []}]
ANYBODY: dict[str, list[str]] = {}


@dataclass
class SetsCookie(Operation):
    """Gives or takes the session's cookie with its success, by its header."""

    def __post_init__(self) -> None:
        for status, response in (self.responses or {}).items():
            if status[0] == "2" and isinstance(response, OpenAPIResponse):
                schema = Schema(type=OpenAPIType.STRING)
                response.headers = {"Set-Cookie": OpenAPIHeader(schema=schema, description="The session's cookie")}
                if status == "204":  # the framework would say that it has one
                    response.content = None
