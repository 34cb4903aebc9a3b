"""What the tests of signing in have in common: a user who can, and a token."""

from typing import Any

import bcrypt
import httpx

from footfall import config
from footfall.identity import tokens
from footfall.identity.tokens import Role
from footfall.keys import Keys
from footfall.store.client import connect
from processes import Auth
from receiver_scene import open_metadata
from servers import Server

EMAIL, PASSWORD = "Ada.Lovelace@Example.com", "the Analytical Engine"
#: the least that bcrypt takes
COST = 4


def with_user(server: Server, user_id: int = 1, email: str = EMAIL, password: str = PASSWORD) -> Any:
    """Open the metadata with a user who can sign in; a client."""
    client = open_metadata(server)
    add_user(client, user_id, email, password)
    return client


def add_user(client: Any, user_id: int, email: str, password: str, cost: int = COST) -> None:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    record = {"id": user_id, "firstName": "Ada", "lastName": "Lovelace", "email": email, "password": hashed}
    client.hset(f"ncc:users:{user_id}", mapping=record)
    client.hset("ncc:users:email", email.lower(), user_id)


def log_in(auth: Auth, email: str = EMAIL, password: str = PASSWORD, **headers: str) -> httpx.Response:
    """The answer to an attempt to sign in. Cookies are only sent when they are among the headers."""
    auth.client.cookies.clear()
    answer = auth.client.post("/login", json={"email": email, "password": password}, headers=headers)
    auth.client.cookies.clear()
    return answer


def cookie_of(answer: httpx.Response) -> str:
    """The Cookie header of who got this answer."""
    return answer.headers["set-cookie"].partition(";")[0]


def signed_in(auth: Auth, email: str = EMAIL, password: str = PASSWORD) -> str:
    """The Cookie header of a new session."""
    answer = log_in(auth, email, password)
    assert answer.status_code == 200, answer.text
    return cookie_of(answer)


def new_token(server: Server, name: str = "till", role: Role = "checkin", rate: int = 0) -> str:
    """The Authorization header of a new token."""
    with connect(server.url, config.load().server) as client:
        return f"Bearer {tokens.create(client, Keys('ncc'), name, role, rate)}"
