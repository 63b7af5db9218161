"""The circuit breaker, the addresses, and the share of time kept back for the reply."""

from __future__ import annotations

import pytest

from quorate.errors import InvalidInput
from services.coordinator.engine.addresses import literal_target, resolve
from services.coordinator.engine.breaker import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, THRESHOLD, CircuitBreaker
from services.coordinator.engine.reserve import FLOOR_SECONDS, Reserve


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock)
    for _ in range(THRESHOLD):
        assert breaker.allows
        breaker.begin()
        breaker.failed()
    return breaker


def test_it_opens_only_after_failures_in_a_row() -> None:
    breaker = CircuitBreaker(Clock())
    for _ in range(3 * THRESHOLD):
        breaker.begin()
        breaker.failed()
        breaker.begin()
        breaker.succeeded()
    assert not breaker.is_open
    assert opened(Clock()).is_open


def test_an_open_one_lets_a_single_probe_through_once_its_pause_is_over() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert not breaker.allows
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.allows
    breaker.begin()
    assert not breaker.allows
    breaker.succeeded()
    assert breaker.allows
    assert not breaker.is_open


def test_each_failed_probe_doubles_the_pause_up_to_its_limit() -> None:
    clock = Clock()
    breaker = opened(clock)
    pause = FIRST_PAUSE_SECONDS
    for _ in range(12):
        clock.now += pause * 0.99
        assert not breaker.allows
        clock.now += pause * 0.02
        assert breaker.allows
        breaker.begin()
        breaker.failed()
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def test_a_probe_that_was_given_up_leaves_room_for_the_next() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += FIRST_PAUSE_SECONDS
    breaker.begin()
    breaker.abandoned()
    assert breaker.allows
    assert breaker.is_open


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("127.0.0.1:80", "ipv4:127.0.0.1:80"),
        ("[::1]:80", "ipv6:[::1]:80"),
        ("unix:/run/member.sock", "unix:/run/member.sock"),
        ("text:80", None),
    ],
)
def test_an_address_that_is_an_ip_needs_no_resolving(address: str, target: str | None) -> None:
    assert literal_target(address) == target


@pytest.mark.parametrize("address", ["", "text", ":80", "text:http", "text:70000"])
def test_an_address_without_host_or_port_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="is not HOST:PORT"):
        literal_target(address)


async def test_a_name_that_stands_for_one_machine_is_one_replica_in_ipv4() -> None:
    assert await resolve("localhost:1234") == ("ipv4:127.0.0.1:1234",)


def test_the_reserve_follows_what_replies_take_within_its_bounds() -> None:
    reserve = Reserve()
    assert reserve.of(2.0) == FLOOR_SECONDS
    assert reserve.of(0.004) == 0.001
    for _ in range(200):
        reserve.note(0.02)
    assert reserve.of(2.0) == pytest.approx(0.04, rel=0.01)
    assert reserve.of(0.04) == pytest.approx(0.01)
