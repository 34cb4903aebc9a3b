"""`footfall up --auth`: everything on one machine, with people who sign in."""

import socket
import stat
from pathlib import Path
from typing import Any

import httpx

from footfall.errors import ExitCode
from processes import Footfall
from up_process import Up, load_sample, stored

SOPHIA = {"email": "sophia.marshall@example.com", "password": "secret"}


def check_in(up: Up, user: int, **headers: str) -> int:
    body = {"userId": user, "locationId": 13, "starRating": 4}
    return httpx.post(f"{up.receiver}/api/checkin", json=body, headers=headers).status_code


def test_the_sample_can_be_used_signed_in(tmp_path: Path) -> None:
    load_sample(tmp_path)
    token_file = tmp_path / ".footfall" / "admin-token"
    with Up(tmp_path, "--auth", log_level="debug") as up:
        assert f"auth        {up.auth}/login" in up.log
        assert f"An admin token was made: it is in {token_file.relative_to(tmp_path)}." in up.log
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        token = token_file.read_text().strip()
        assert token not in up.log
        admin = {"authorization": f"Bearer {token}"}
        answer = httpx.post(f"{up.auth}/login", json=SOPHIA)
        assert answer.json() == {"userId": 180}
        session = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
        statuses = [check_in(up, 180), check_in(up, 180, **session), check_in(up, 181, **session)]
        assert statuses == [401, 202, 403]
        assert check_in(up, 181, **admin) == 202
        me: Any = httpx.get(f"{up.api}/api/me", headers=session).json()
        assert (me["id"], me["email"]) == (180, SOPHIA["email"])
        settings = {"receiver_port": up.settings["receiver_port"]}
        with Footfall("generate", "--count", "5", "--rate", "100", settings=settings, cwd=tmp_path) as generate:
            assert generate.wait() == ExitCode.OK, generate.log
            assert token not in generate.log
        with Footfall("verify", cwd=tmp_path) as verify:
            assert verify.wait() == ExitCode.OK, "sessions are in nobody's way"
        assert httpx.post(f"{up.auth}/logout", headers=session).status_code == 204
        assert up.terminate() == ExitCode.OK
        up.assert_nothing_is_left()
        seen = len(up.log)
        up.start()
        assert f"The admin token is in {token_file.relative_to(tmp_path)}." in up.log[seen:]
        assert token_file.read_text().strip() == token
        assert check_in(up, 181, **admin) == 202
        for secret in (token, session["cookie"].partition("=")[2], "$2b$"):
            assert secret not in up.log
    with stored(tmp_path) as client:
        assert client.hlen("ncc:tokens") == 1
        assert not client.keys("ncc:session:*")


def test_without_auth_nobody_signs_in_and_no_token_is_made(tmp_path: Path) -> None:
    load_sample(tmp_path)
    with Up(tmp_path) as up, socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(str(up.settings["auth_port"])))) != 0
        assert "auth" not in up.log
        assert not (tmp_path / ".footfall" / "admin-token").exists()
        assert check_in(up, 180) == 202


def test_a_taken_port_of_the_auth_service_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Up(tmp_path, "--auth", "--auth-port", str(port), wait=False) as up:
            assert up.wait() == ExitCode.PORT_TAKEN
            assert "FOOTFALL_AUTH_PORT sets another port" in up.last_line()
            assert not (tmp_path / ".footfall").exists()
