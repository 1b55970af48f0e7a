"""A token bucket per source, with a clock that the test turns."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_collector.rate_limit import RateLimiter
from holded_collector.refusal import Refusal
from holded_contracts.settings import RateLimit


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def limiter(rate: int, burst: int) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(RateLimit(events_per_second=rate, burst=burst), clock), clock


def test_without_a_limit_nothing_is_refused() -> None:
    rates = RateLimiter(None)
    for _ in range(10):
        rates.take("erp", 1_000_000)
        rates.check("erp")


def test_after_the_burst_a_source_waits_and_is_let_in_when_told() -> None:
    rates, clock = limiter(rate=10, burst=20)
    rates.take("erp", 20)
    with pytest.raises(Refusal) as refused:
        rates.check("erp")
    assert (refused.value.status, refused.value.error) == (429, "rate_limited")
    assert refused.value.headers()["Retry-After"] == "1"
    clock.now += 1
    rates.check("erp")


def test_one_source_does_not_pay_for_another() -> None:
    rates, _ = limiter(rate=1, burst=1)
    rates.take("erp", 100)
    rates.take("shop", 1)
    for source in ("erp", "shop"):
        with pytest.raises(Refusal):
            rates.check(source)


def test_a_request_larger_than_the_burst_passes_and_is_paid_for_afterwards() -> None:
    rates, clock = limiter(rate=10, burst=5)
    rates.take(None, 45)
    with pytest.raises(Refusal) as refused:
        rates.take(None, 1)
    wait = int(refused.value.headers()["Retry-After"])
    assert wait == 5
    clock.now += wait
    rates.take(None, 1)


def test_a_long_pause_earns_no_more_than_the_burst() -> None:
    rates, clock = limiter(rate=10, burst=5)
    rates.check(None)
    clock.now += 1_000_000
    rates.take(None, 5)
    with pytest.raises(Refusal):
        rates.check(None)


@given(
    rate=st.integers(1, 1000),
    burst=st.integers(1, 1000),
    requests=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 500)), min_size=1, max_size=50),
)
def test_what_passes_never_exceeds_rate_and_burst_by_more_than_one_request(
    rate: int, burst: int, requests: list[tuple[float, int]]
) -> None:
    rates, clock = limiter(rate, burst)
    passed = last = 0
    for pause, events in requests:
        clock.now += pause
        try:
            rates.take(None, events)
        except Refusal:
            continue
        passed += events
        last = events
    assert passed - last <= burst + rate * (clock.now - 100.0) + 1e-3
