"""What makes a Postman collection run as a whole, again and again: its order, its variables, and its scripts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]

#: the variables: what each is for, and its value when no example has one
VARIABLES = {
    "baseUrl": ("Where the service is.", ""),
    "token": ("A token, sent where one counts; to add, change and remove, of role `admin`. Empty: none.", ""),
    "authUrl": ("Where the auth service is: then what needs a session signs in there before.", ""),
    "email": ("Who signs in, and is looked up; goes with `userId`.", ""),
    "password": ("The password of who signs in; every user of the sample has this one.", "secret"),
    "userId": ("The user to read; one who was added takes its place, until removed.", ""),
    "locationId": ("The location to read; one that was added takes its place, until removed.", ""),
    "checkinId": ("The check-in to read; the newest takes its place, when it was asked for.", ""),
    "newUserId": ("The user to change and to remove: the one who was added.", ""),
    "newLocationId": ("The location to change and to remove: the one that was added.", ""),
}
#: which of them is the parameter of a path that begins so
_IN_PATHS = {
    "/api/user/{id}": "userId",
    "/api/users/at/{locationId}": "locationId",
    "/api/location/{id}": "locationId",
    "/api/checkin/{id}": "checkinId",
    "/api/user/email/{email}": "email",
}
#: which fields of bodies are variables of the same name
_IN_BODIES = frozenset({"userId", "locationId", "email", "password"})
#: what is added at a path: how its id is called in what reads it, and in what changes and removes it
_ADDED_AT = {"/api/users": ("userId", "newUserId"), "/api/locations": ("locationId", "newLocationId")}
_NEW = dict(_ADDED_AT.values())
#: in a folder, what adds comes first, and what removes last
_METHODS = ("post", "get", "patch", "delete")
#: a variable in JSON whose value is a number
_quoted_number = re.compile(r'"(\{\{\w+Id\}\})"')

_SIGN_IN = """\
const authUrl = pm.variables.get("authUrl");
if (authUrl) {
    const [email, password] = ["email", "password"].map((name) => pm.variables.get(name));
    pm.sendRequest({
        url: `${authUrl}/login`,
        method: "POST",
        header: { "Content-Type": "application/json" },
        body: { mode: "raw", raw: JSON.stringify({ email, password }) },
    }, (error, answer) => pm.test(`signs in at ${authUrl}`, () => {
        pm.expect(error).to.equal(null);
        pm.expect(answer.code).to.equal(200);
    }));
}
"""
_CHECKS = """\
pm.test(`is answered with ${due}`, () => pm.response.to.have.status(due));
const found = (pm.response.headers.get("Content-Type") || "").split(";")[0];
pm.test(`says it as ${types[due] || "nothing"}`, () => pm.expect(found).to.equal(types[due]));
if (types[due].endsWith("json")) pm.test("is JSON", () => pm.response.json());
"""


class Variables:
    """The variables that requests and scripts take values from. They begin with those of the first example of each."""

    def __init__(self, base_url: str) -> None:
        self._examples = {"baseUrl": base_url}
        self._used = {"baseUrl", "token"}

    def use(self, *names: str) -> None:
        """A script takes these."""
        self._used |= {*names}

    def put(self, name: str, example: str) -> str:
        """What stands in the place of the example: the variable, unless that begins with another value."""
        if name not in _NEW.values() and self._examples.setdefault(name, example) != example:
            return example
        self.use(name)
        return f"{{{{{name}}}}}"

    def __getitem__(self, name: str) -> str:
        return self._examples.get(name, VARIABLES[name][1])

    def described(self) -> list[Json]:
        """All that are used."""
        return [
            {"key": name, "value": self[name], "type": "string", "description": text}
            for name, (text, _) in VARIABLES.items()
            if name in self._used
        ]


def order(path: str, method: str) -> tuple[int, bool, str]:
    """Where a request stands in its folder: what adds, then lists, what reads one, what changes, what removes."""
    return _METHODS.index(method), "{" in path, path


def in_path(path: str, method: str) -> str | None:
    """The variable that is the path's parameter, if any."""
    for beginning, name in _IN_PATHS.items():
        if path.startswith(beginning):
            return _NEW[name] if method in ("patch", "delete") else name
    return None


def body(path: str, example: Any, variables: Variables) -> str:
    """The example of a JSON body, as text, with variables in it."""
    _, new = _ADDED_AT.get(path, ("", ""))

    def with_variables(part: Any, name: str = "") -> Any:
        if isinstance(part, dict):
            return {key: with_variables(value, key) for key, value in part.items()}
        if isinstance(part, list):
            return [with_variables(one) for one in part]
        if new:  # nothing of it is anybody else's
            put = {"id": variables.put(new, ""), "email": str(part).replace("@", f".{{{{{new}}}}}@")}
            return put.get(name, part)
        put_here = variables.put(name, str(part)) if name in _IN_BODIES else ""
        return part if put_here in ("", str(part)) else put_here

    text = msgspec.json.format(msgspec.json.encode(with_variables(example)), indent=2).decode()
    return _quoted_number.sub(r"\1", text)


def takes_token(operation: Json) -> bool:
    """Whether a token counts."""
    return any("token" in one for one in operation.get("security", ()))


def events(path: str, method: str, operation: Json, cookie: str, variables: Variables) -> list[Json]:
    """What runs before and after a request. `cookie`: the name of the session's."""
    scripts = {
        "prerequest": [*_before(path, method, operation, variables)],
        "test": [*_checks(path, method, operation, cookie), *_handing_over(path, method, variables)],
    }
    return [
        {"listen": name, "script": {"type": "text/javascript", "exec": lines}}
        for name, lines in scripts.items()
        if lines
    ]


# --- private


def _before(path: str, method: str, operation: Json, variables: Variables) -> Iterator[str]:
    if method == "post" and path in _ADDED_AT:
        yield "// one that was never given out: the id of what was removed is not taken again"
        yield f'pm.collectionVariables.set("{_ADDED_AT[path][1]}", Date.now());'
    if operation.get("security") == [{"session": []}]:
        variables.use("authUrl", "email", "password")
        yield from _SIGN_IN.splitlines()


def _checks(path: str, method: str, operation: Json, cookie: str) -> Iterator[str]:
    """Which answer is due: success, but without the credentials that are needed 401. And that it is this one."""
    responses = operation["responses"]
    success = next(status for status in responses if status.startswith("2"))
    tests = {"token": 'pm.variables.get("token")', "session": f'pm.cookies.has("{cookie}")'}
    taken = operation.get("security", [{}])
    if {} in taken:
        yield f"const due = {success};"
    else:
        yield f"const due = {' || '.join(tests[name] for one in taken for name in one)} ? {success} : 401;"
    types = {status: next(iter(responses.get(status, {}).get("content") or [""])) for status in (success, "401")}
    yield f"const types = {msgspec.json.encode(types).decode()};"
    yield from _CHECKS.splitlines()
    if "Set-Cookie" in responses[success].get("headers", ()):
        yield 'if (due < 300) pm.test("sets a cookie", () => pm.response.to.have.header("Set-Cookie"));'
    if path in _IN_PATHS and path.endswith("/{id}") and method != "delete":
        yield f'const id = String(pm.variables.get("{in_path(path, method)}"));'
        yield "const isIt = () => pm.expect(String(pm.response.json().id)).to.equal(id);"
        yield 'if (due < 300) pm.test("is the one that was asked for", isIt);'


def _handing_over(path: str, method: str, variables: Variables) -> Iterator[str]:
    if path == "/api/checkins/latest":
        variables.use("checkinId")
        yield 'if (pm.response.code === 200) pm.collectionVariables.set("checkinId", pm.response.json().id);'
    if method == "post" and path in _ADDED_AT:
        name, _ = _ADDED_AT[path]
        yield "if (pm.response.code === 201) {"
        yield f'    pm.collectionVariables.set("{name}", pm.response.json().id);'
        if name == "userId":
            yield "    const sent = JSON.parse(pm.request.body.raw);"
            yield '    ["email", "password"].forEach((name) => pm.collectionVariables.set(name, sent[name]));'
        yield "}"
    if method == "delete":
        name = _IN_PATHS[path]
        back = {name: variables[name], _NEW[name]: ""}
        if name == "userId":
            back |= {"email": variables["email"], "password": variables["password"]}
        yield "if (pm.response.code === 204) {"
        for variable, value in back.items():
            yield f'    pm.collectionVariables.set("{variable}", "{value}");'
        yield "}"
