"""Settings: their defaults, where they come from, and how they reach a child process."""

import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from footfall import config
from footfall.config import NO_ACTIVITY, REMOVED, SETTINGS, env_name
from footfall.errors import UsageError

#: a value for every setting that is not its default
OTHERS: dict[str, Any] = {
    "redis_url": "rediss://me:p%40ss@localhost:7000/3",
    "data_dir": Path("/var/lib/foot fall"),
    "prefix": "mine",
    "server_timeout": 0.25,
    "server_check_s": 0.75,
    "unknown_ids": "create",
    "max_backlog": 7,
    "max_batch": 8,
    "max_pending": 9,
    "durability": "replicas:2",
    "idempotency_ttl_s": 60,
    "duplicate_window_s": 5,
    "keepalive_timeout_s": 30.0,
    "request_timeout": 3.5,
    "max_connections": 77,
    "retain": 0,
    "retain_for_groups": 7,
    "host": "::1",
    "receiver_port": 1082,
    "receiver_workers": 2,
    "api_port": 1081,
    "api_workers": 3,
    "cors_origins": "https://app.example.com,http://localhost:3000",
    "live_heartbeat_s": 0.25,
    "live_page": False,
    "receiver_url": "https://take.example.com",
    "auth_url": "https://example.com/auth",
    "map_tiles": "https://tiles.example.com/{z}/{x}/{y}.png",
    "map_attribution": "Example Maps",
    "api_reload": True,
    "auth": True,
    "auth_port": 1083,
    "auth_workers": 4,
    "session_ttl_s": 61,
    "session_secure": True,
    "login_per_email": 3,
    "login_per_address": 4,
    "login_window_s": 5,
    "trusted_proxies": "10.0.0.0/8, fd00::/8",
    "processor_batch": 10,
    "processor_delay": True,
    "processor_once": True,
    "processor_lease_s": 0.5,
    "processor_port": 1084,
    "history": 0,
    "now": False,
    "hourly": False,
    "trending": False,
    "bcrypt_cost": 4,
    "log_level": "debug",
    "log_format": "json",
}


def test_what_users_rely_on_without_setting_anything() -> None:
    settings = config.load()
    assert settings.server.redis_url is None
    assert (settings.http.host, settings.receiver.port, settings.api.port) == ("127.0.0.1", 8082, 8081)
    assert (settings.server.data_dir, settings.server.prefix) == (Path(".footfall"), "ncc")
    checkins = settings.checkins
    assert (checkins.unknown_ids, checkins.max_backlog, checkins.retain) == (
        "reject",
        1_000_000,
        500_000,
    )
    assert (settings.logs.level, settings.logs.format) == ("info", "text")


def test_every_setting_is_described() -> None:
    for name, setting in SETTINGS.items():
        assert setting.info.description, name
        assert setting.info.description[-1] == ".", name


def test_an_option_wins_over_the_environment_and_one_that_is_not_given_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOOTFALL_PREFIX", "environment")
    assert config.load().server.prefix == "environment"
    assert config.load({"prefix": None}).server.prefix == "environment"
    assert config.load({"prefix": "option"}).server.prefix == "option"


@pytest.mark.parametrize("name", OTHERS)
def test_every_setting_can_be_set_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    value = OTHERS[name]
    assert config.load().value(name) != value
    monkeypatch.setenv(env_name(name), str(value))
    assert config.load().value(name) == value


def test_a_child_process_gets_all_settings_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(OTHERS) == set(SETTINGS)
    script = "from footfall import config; print(config.load())"
    for given in (OTHERS, {}):
        settings = config.load(given)
        with monkeypatch.context() as patch:
            patch.setenv("FOOTFALL_RETAIN", "99")  # set since, and of no concern
            child = subprocess.run(
                [sys.executable, "-c", script], env=settings.environment(), capture_output=True, text=True, check=True
            )
        assert child.stdout == f"{settings}\n"


def test_a_child_process_keeps_what_else_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("footfall_prefix", "lower")  # pydantic reads it in any case
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    environment = config.load({"prefix": "mine"}).environment()
    assert environment["SOMETHING_ELSE"] == "kept"
    assert environment["PATH"] == os.environ["PATH"]
    assert {name: value for name, value in environment.items() if "PREFIX" in name.upper()} == {
        "FOOTFALL_PREFIX": "mine"
    }


@pytest.mark.parametrize("name", ["FOOTFALL_PORT", "FOOTFALL_", "footfall_receiver_prot"])
def test_an_unknown_variable_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(UsageError, match=rf"unknown setting {name};"):
        config.load()


@pytest.mark.parametrize("name", REMOVED)
def test_a_variable_of_what_is_an_option_only_is_an_error_that_names_the_option(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for written in (name, name.lower()):
        with monkeypatch.context() as patch:
            patch.setenv(written, "1")
            with pytest.raises(UsageError, match=re.escape(f"give `{REMOVED[name]}` instead of {written}")):
                config.load()


def test_a_variable_that_is_no_setting_any_more_is_none() -> None:
    assert not REMOVED.keys() & {env_name(name) for name in SETTINGS}


def test_every_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_B", "1")
    monkeypatch.setenv("FOOTFALL_A", "1")
    with pytest.raises(UsageError, match="unknown setting FOOTFALL_A, FOOTFALL_B;"):
        config.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("receiver_port", "65536"),
        ("receiver_port", "http"),
        ("receiver_workers", "0"),
        ("prefix", ""),
        ("prefix", "a{b}"),
        ("server_timeout", "0"),
        ("unknown_ids", "Create"),
        ("max_backlog", "0"),
        ("max_batch", "501"),
        ("retain", "-1"),
        ("processor_delay", "perhaps"),
        ("session_ttl_s", "0"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "proxy.internal"),
        ("trusted_proxies", "10.0.0.0/8,"),
        ("log_format", "xml"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(env_name(name), value)
    with pytest.raises(UsageError, match=rf"^{env_name(name)}: "):
        config.load()


@pytest.mark.parametrize("name", SETTINGS)
def test_an_empty_value_is_refused_and_not_taken_for_something_else(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in ("", " "):
        monkeypatch.setenv(env_name(name), value)
        with pytest.raises(UsageError, match=rf"^{env_name(name)}: .*empty"):
            config.load()


def test_an_empty_option_is_refused_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "footfall", "status", "--data-dir", ""]
    ran = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr.split(":")[:2]) == (2, ["error", " FOOTFALL_DATA_DIR"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.7, fd00::/8", "192.0.2.7/32,fd00::/8"),
        ("::/0", "::/0"),
    ],
)
def test_a_proxy_s_ipv4_address_may_be_written_as_an_ipv6_one(said: str, meant: str) -> None:
    assert ",".join(map(str, config.load({"trusted_proxies": said}).http.proxies)) == meant


def test_every_wrong_value_is_named_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_API_PORT", "s3cret")
    with pytest.raises(UsageError) as caught:
        config.load({"receiver_port": "s3cret"})
    assert "FOOTFALL_RECEIVER_PORT: " in str(caught.value)
    assert "FOOTFALL_API_PORT: " in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_settings_do_not_change_once_they_are_made() -> None:
    settings = config.load()
    with pytest.raises(ValidationError):
        settings.server.prefix = "another"
    with pytest.raises(FrozenInstanceError):
        settings.server = config.load().server  # type: ignore[misc]


def test_a_service_has_the_url_of_its_server_or_says_which_setting_is_missing() -> None:
    settings = config.load()
    with pytest.raises(UsageError, match="FOOTFALL_REDIS_URL is not set"):
        assert settings.server.url
    settled = settings.with_values(redis_url="redis://localhost:7000")
    assert settled.server.url == "redis://localhost:7000"
    assert settled.with_values(redis_url=None) == settings


def test_each_setting_has_one_place_among_the_parts() -> None:
    settings = config.load(OTHERS)
    assert {name: settings.value(name) for name in SETTINGS} == OTHERS
    places = [(part, field) for part, field, _ in SETTINGS.values()]
    assert len(set(places)) == len(places)
    for name, (part, field, _) in SETTINGS.items():
        changed = config.load().with_values(**{name: OTHERS[name]})
        assert getattr(getattr(changed, part), field) == OTHERS[name]
        assert changed.with_values(**{name: config.load().value(name)}) == config.load()


def test_activity_is_kept_when_one_kind_of_it_is() -> None:
    assert not NO_ACTIVITY.keeps_any
    for kind, value in {"history": 1, "presence": True, "hourly": True, "trending": True}.items():
        assert NO_ACTIVITY.model_copy(update={kind: value}).keeps_any
