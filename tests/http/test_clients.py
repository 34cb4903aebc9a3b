"""Clients that generators make of the OpenAPI documents sign in, post check-ins and page through a list."""

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

import npm_tools
from auth_scene import new_token
from footfall.errors import ExitCode
from processes import Api, Auth, Footfall, Receiver
from servers import Server

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
EMAIL, PASSWORD = "sophia.marshall@example.com", "secret"


class Scene(NamedTuple):
    """Services with sign-in, on the sample."""

    server: Server
    receiver: Receiver
    api: Api
    auth: Auth
    token: str

    def stored(self) -> list[tuple[str, str]]:
        """The id and the user of each check-in that was posted, in order."""
        client: Any = self.server.client()
        return [(entry_id, fields["userId"]) for entry_id, fields in client.xrange("ncc:checkins")[5000:]]

    def users(self) -> list[int]:
        """All users as the list has them that clients page through; of the sample there are 1,000."""
        return [user["id"] for user in self.api.client.get("/api/users/bycheckins?limit=1000").json()]


@pytest.fixture(scope="module")
def services(shared_server: Server) -> Iterator[Scene]:
    shared_server.reset()
    with ExitStack() as stack:
        load = stack.enter_context(Footfall("load", "all", "--sample", settings={"redis_url": shared_server.url}))
        assert load.wait() == ExitCode.OK, load.log
        receiver, api, auth = (kind(shared_server.url, auth="true") for kind in (Receiver, Api, Auth))
        for service in (receiver, api, auth):
            stack.enter_context(service)
        token = new_token(shared_server, "clients").removeprefix("Bearer ")
        yield Scene(shared_server, receiver, api, auth, token)  # type: ignore[arg-type]


@pytest.fixture
def scene(services: Scene) -> Scene:
    """With nothing posted but what the test will."""
    client: Any = services.server.client()
    for entry_id, _ in services.stored():
        client.xdel("ncc:checkins", entry_id)
    return services


def next_page(link: str) -> str | None:
    """The cursor in the `Link` header of a page, when more follow."""
    found = re.search(r'<([^>]*)>; rel="next"', link)
    return parse_qs(urlsplit(found[1]).query)["after"][0] if found else None


def generate(scene: Scene, program: str, folder: Path) -> list[str]:
    """Run the program in a folder, with real addresses, as the page of clients has it; what it says each time."""
    urls = {"8081": scene.api.url, "8082": scene.receiver.url, "8083": scene.auth.url}
    said = []
    for line in re.findall(rf"^(?:npx )?{program} (.*)$", PAGE.read_text(), re.MULTILINE):
        arguments = shlex.split(re.sub(r"http://127\.0\.0\.1:(\d+)", lambda url: urls[url[1]], line))
        if program == "openapi-python-client":
            bin_folder = Path(sys.executable).parent
            path = f"{bin_folder}:{os.environ['PATH']}"  # it has ruff format what it made
            command = [str(bin_folder / program), *arguments]
            done = subprocess.run(
                command,
                cwd=folder,
                env=os.environ | {"PATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
        else:
            done = npm_tools.run(program, *arguments, cwd=folder)
        assert done.returncode == 0, done.stdout
        said.append(done.stdout)
    return said


def test_one_made_by_openapi_python_client(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = generate(scene, "openapi-python-client", tmp_path)
    # the one thing that it does not know: a batch is JSON with this generator
    warnings = re.findall(r"^(?:WARNING|ERROR).*\n\n.*", "".join(said), re.MULTILINE)
    no_ndjson = "Unsupported content type application/x-ndjson"
    assert warnings == [f"WARNING parsing POST /api/checkins within check_ins.\n\n{no_ndjson}"]

    monkeypatch.syspath_prepend(tmp_path)
    module: Any = importlib.import_module
    with ExitStack() as stack:

        def client(service: str, kind: str = "Client", **arguments: Any) -> Any:
            url = {"auth": scene.auth, "receiver": scene.receiver, "api": scene.api}[service].url
            return stack.enter_context(getattr(module(f"{service}_client"), kind)(url, **arguments))

        sign_in = module("auth_client.api.signing_in.sign_in")
        login = module("auth_client.models").Login(email=EMAIL, password=PASSWORD)
        signed_in = sign_in.sync_detailed(client=client("auth"), body=login)
        cookies = dict([signed_in.headers["set-cookie"].partition(";")[0].split("=", 1)])

        assert signed_in.parsed.user_id == 180
        new = module("receiver_client.models").CheckIn
        check_in, other = (new(user_id=user, location_id=13, star_rating=4) for user in (180, 181))
        post_checkin = module("receiver_client.api.check_ins.post_checkin")
        one = post_checkin.sync(client=client("receiver", cookies=cookies), body=check_in)
        post_checkins = module("receiver_client.api.check_ins.post_checkins")
        with_token = client("receiver", "AuthenticatedClient", token=scene.token)
        batch = post_checkins.sync(client=with_token, body=[check_in, other], idempotency_key="from-python")
        assert scene.stored() == list(zip([one.id, *batch.ids], ["180", "180", "181"], strict=True))

        get_me = module("api_client.api.users.get_me")
        assert get_me.sync(client=client("api", cookies=cookies)).email == EMAIL
        list_users = module("api_client.api.users.list_users_by_checkins")
        page = list_users.sync_detailed(client=client("api"), limit=300)
        users = [user.id for user in page.parsed]
        while after := next_page(page.headers.get("link", "")):
            page = list_users.sync_detailed(client=client("api"), limit=300, after=after)
            users += [user.id for user in page.parsed]
    assert users == scene.users()
    assert len(users) == 1000
    [example] = re.findall("^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(example.replace("http://127.0.0.1:8082", scene.receiver.url).replace("ff_...", scene.token))
    assert scene.stored()[3:] == [(re.findall("[0-9]+-[0-9]+", capsys.readouterr().out)[-1], "180")]


def test_one_made_by_openapi_typescript(scene: Scene, tmp_path: Path) -> None:
    generate(scene, "openapi-typescript", tmp_path)
    for name in ("client.ts", "tsconfig.json"):
        shutil.copy(npm_tools.FOLDER / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(npm_tools.MODULES)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    compiled = npm_tools.run("tsc", cwd=tmp_path)
    assert compiled.returncode == 0, compiled.stdout

    urls = scene.receiver.url, scene.api.url, scene.auth.url
    done = npm_tools.run("node", "client.js", *urls, scene.token, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    said = json.loads(done.stdout)
    assert said["refused"] == 422
    assert scene.stored() == list(zip(said["ids"], ["180", "180", "181"], strict=True))
    assert said["email"] == EMAIL
    assert said["users"] == scene.users()
    assert len(said["users"]) == 1000
