"""Requests and bytes in flight: counted, bounded, given back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from holded_collector.admission import Admission
from holded_collector.body import read_body
from holded_collector.metrics import Metrics
from holded_collector.refusal import Refusal
from holded_contracts.settings import CollectorLimits


def make(**limits: int) -> tuple[Admission, Metrics]:
    metrics = Metrics()
    return Admission(CollectorLimits(**limits), metrics), metrics


def test_requests_beyond_the_places_are_refused_until_one_is_free() -> None:
    admission, _ = make(max_requests_in_flight=1)
    with admission.enter():
        with pytest.raises(Refusal) as refused, admission.enter():
            pass
        assert (refused.value.status, refused.value.error) == (503, "overloaded")
        assert refused.value.headers()["Retry-After"] == "1"
    with admission.enter():
        pass


def test_bytes_of_all_requests_count_together_and_are_given_back() -> None:
    admission, metrics = make(max_bytes_in_flight=1024)
    with admission.enter() as one:
        one.hold(1000)
        with admission.enter() as other:
            other.expect(24)
            other.hold(24)
            for refuse in (other.expect, other.hold):
                with pytest.raises(Refusal) as refused:
                    refuse(1)
                assert (refused.value.status, refused.value.error) == (503, "overloaded")
        assert metrics.registry.get_sample_value("holded_collector_bytes_in_flight") == 1000
    assert metrics.registry.get_sample_value("holded_collector_bytes_in_flight") == 0


def test_a_request_that_is_alone_always_has_room() -> None:
    admission, _ = make(max_bytes_in_flight=1024)
    with admission.enter() as place:
        place.expect(5000)
        place.hold(3000)
        place.hold(2000)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_what_is_declared_but_not_sent_keeps_nobody_out() -> None:
    admission, _ = make(max_bytes_in_flight=1024)

    async def trickle() -> AsyncIterator[bytes]:
        yield b"x"
        started.set()
        await asyncio.Event().wait()

    with admission.enter() as slow, admission.enter() as other:
        started = asyncio.Event()
        reading = asyncio.create_task(read_body(trickle(), declared="1024", limit=2000, seconds=60, room=slow))
        await started.wait()
        assert await read_body(chunks(b"y" * 500), declared="500", limit=2000, seconds=5, room=other)
        reading.cancel()


@pytest.mark.parametrize("declared", ["600", None])
async def test_a_body_without_room_is_refused_whether_declared_or_not(declared: str | None) -> None:
    admission, _ = make(max_bytes_in_flight=1024)
    with admission.enter() as one, admission.enter() as other:
        one.hold(512)
        with pytest.raises(Refusal) as refused:
            await read_body(chunks(b"x" * 300, b"x" * 300), declared=declared, limit=2000, seconds=5, room=other)
        assert refused.value.status == 503
        assert other.bytes == (0 if declared else 300)
