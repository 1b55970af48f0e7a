"""What `holded send` puts on the wire, and how it takes each of the collector's answers."""

import asyncio
import gzip
import io
import json
import time

import httpx
import pytest

from holded_cli.samples import Kind
from holded_cli.send import sender as sender_module
from holded_cli.send.events import Generator, Outgoing, split_array
from holded_cli.send.mixture import Shares
from holded_cli.send.record import Recorder, recording
from holded_cli.send.schedule import Schedule
from holded_cli.send.sender import Delivery, Sender, Target


def verdicts(request):
    body = request.content
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return [
        {"index": i, "status": "accepted", "event_id": f"id-{event}", "errors": []}
        for i, event in enumerate(json.loads(body))
    ]


def accept_all(request):
    results = verdicts(request)
    return httpx.Response(202, json={"accepted": len(results), "rejected": 0, "results": results})


def scripted(*answers):
    """Answer with each of the responses in turn; after the last one accept everything."""
    rest = list(answers)

    def answer(request):
        if not rest:
            return accept_all(request)
        head = rest.pop(0)
        if isinstance(head, Exception):
            raise head
        return head

    return answer


def numbered(count):
    return [Outgoing(str(number).encode(), None) for number in range(count)]


def sender(handler, schedule=None, delivery=None, **options):
    target = Target(httpx.MockTransport(handler), "http://collector/")
    return Sender(target, schedule or Schedule(50), delivery or Delivery(), **options)


class Waits(list):
    """Notes how long to wait, and does not."""

    async def __call__(self, seconds):
        self.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def waits():
    return Waits()


async def test_events_travel_byte_for_byte_in_batches():
    bodies = []

    def keep(request):
        assert request.url.path == "/collect"
        assert request.headers["Content-Type"] == "application/json"
        bodies.append(request.content)
        return accept_all(request)

    events = split_array(b'[ {"n": 18446744073709551615, "x" : 1.10},{"b":2} , "\xc3\xb1"]')
    tally = await sender(keep, Schedule(2)).run(events)
    assert bodies == [b'[{"n": 18446744073709551615, "x" : 1.10},{"b":2}]', b'["\xc3\xb1"]']
    assert (tally.accepted, tally.rejected, tally.batches, tally.failure) == (3, 0, 2, None)


async def test_gzip_compresses_the_request():
    encodings = []

    def keep(request):
        encodings.append(request.headers["Content-Encoding"])
        return accept_all(request)

    tally = await sender(keep, delivery=Delivery(compress=True)).run(numbered(3))
    assert (tally.accepted, encodings) == (3, ["gzip"])


@pytest.mark.parametrize("status", [207, 422])
async def test_rejections_are_answers_and_are_counted_by_field(status):
    fields = ["headers.type", "data", "data"]
    results = [
        {"index": i, "status": "rejected", "event_id": None, "errors": [{"field": field, "message": "no"}]}
        for i, field in enumerate(fields)
    ]
    body = {"accepted": 0, "rejected": 3, "results": results}
    tally = await sender(scripted(httpx.Response(status, json=body))).run(numbered(3))
    assert (tally.failure, tally.accepted) == (None, 0)
    assert tally.as_json()["rejected_by_field"] == {"data": 2, "headers.type": 1}


async def test_503_and_429_are_retried_after_the_time_they_ask_for(waits):
    busy = httpx.Response(503, headers={"Retry-After": "7"})
    limited = httpx.Response(429, headers={"Retry-After": "2"})
    tally = await sender(scripted(busy, limited), sleep=waits).run(numbered(1))
    assert waits == [7.0, 2.0]
    assert (tally.accepted, tally.retries, tally.failure) == (1, {"503": 1, "429": 1}, None)


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.RemoteProtocolError("closed")]
)
async def test_a_lost_connection_is_retried_with_backoff(error, waits):
    tally = await sender(scripted(error, error), sleep=waits).run(numbered(1))
    assert (tally.accepted, tally.retries) == (1, {"connection": 2})
    assert len(waits) == 2
    assert all(0 < wait < 5 for wait in waits)


async def test_repetitions_have_the_same_bytes_and_are_counted_once(waits):
    bodies = []

    def lose_every_second_answer(request):
        bodies.append(request.content)
        if len(bodies) % 2:
            raise httpx.ReadError("reset")
        return accept_all(request)

    events = Generator(1).events(Shares(), 40)
    tally = await sender(lose_every_second_answer, Schedule(10), Delivery(compress=True), sleep=waits).run(events)
    assert bodies[0::2] == bodies[1::2]
    assert len(set(bodies)) == 4
    assert (tally.accepted, tally.batches) == (40, 4)
    assert tally.in_flight == 0


async def test_retries_end_with_the_patience_and_the_rest_is_not_sent():
    requests = []

    def always_busy(request):
        requests.append(request)
        return httpx.Response(503, text="Kafka cannot take it", headers={"Retry-After": "0"})

    tally = await sender(always_busy, Schedule(2), Delivery(patience_seconds=0.2)).run(numbered(5))
    assert 1 < len(requests) <= 5
    assert len({request.content for request in requests}) == 1
    assert (tally.events, tally.accepted, tally.in_flight) == (0, 0, 2)
    assert tally.failure is not None
    assert "batch 1" in tally.failure
    assert "503 Kafka cannot take it" in tally.failure


async def test_a_wait_longer_than_the_patience_ends_sending():
    busy = httpx.Response(503, headers={"Retry-After": "3600"})
    tally = await sender(scripted(busy), Schedule(1)).run(numbered(1))
    assert tally.failure is not None
    assert tally.retries == {}


@pytest.mark.parametrize("status", [400, 401, 413, 500])
async def test_another_answer_is_a_failure_that_keeps_what_was_counted(status):
    first = {"accepted": 1, "rejected": 0, "results": [{"index": 0, "status": "accepted", "event_id": "x"}]}
    answers = scripted(httpx.Response(202, json=first), httpx.Response(status, text="no"))
    tally = await sender(answers, Schedule(1)).run(numbered(3))
    assert tally.accepted == 1
    assert tally.failure == f"batch 2: POST http://collector/collect: {status} no"


@pytest.mark.parametrize("url", ["collector:8000", "ftp://collector", "http://", "http://127.0.0.1:port", ""])
def test_an_address_that_can_never_work_is_refused(url):
    with pytest.raises(httpx.InvalidURL):
        Target(httpx.MockTransport(accept_all), url)


async def test_the_key_goes_with_every_request():
    keys = []

    def keep(request):
        keys.append(request.headers["X-Api-Key"])
        return accept_all(request)

    target = Target(httpx.MockTransport(keep), "http://collector", "secret-word")
    await Sender(target, Schedule(1), Delivery()).run(numbered(2))
    assert keys == ["secret-word"] * 2


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_requests_at_a_time_are_bounded_and_each_event_is_sent_once(concurrency):
    running, peak, seen = 0, 0, []

    async def count(request):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.005)
        running -= 1
        seen.extend(json.loads(request.content))
        return accept_all(request)

    tally = await sender(count, Schedule(3), Delivery(concurrency)).run(numbered(50))
    assert peak == concurrency
    assert sorted(seen) == list(range(50))
    assert tally.accepted == 50


async def test_an_open_loop_keeps_its_rate():
    tally = await sender(accept_all, Schedule(10, rate=1000.0)).run(numbered(200))
    assert tally.accepted == 200
    assert 0.19 <= tally.seconds < 2


async def test_a_slow_collector_makes_an_open_loop_late_and_its_delays_show_it():
    async def slow(request):
        await asyncio.sleep(0.06)
        return accept_all(request)

    tally = await sender(slow, Schedule(1, rate=1000.0)).run(numbered(5))
    assert tally.late >= 2
    assert tally.max_lateness > 0.15
    assert max(tally.delays) > 0.2
    assert max(tally.latencies) < max(tally.delays)


async def test_a_run_without_end_ends_with_its_duration():
    started = time.perf_counter()
    events = Generator(1).events(Shares(), None)
    tally = await sender(accept_all, Schedule(10, duration=0.2), Delivery(2)).run(events)
    assert tally.accepted == tally.events > 0
    assert time.perf_counter() - started < 3


async def test_the_record_has_a_line_for_each_acknowledged_event_and_no_other(tmp_path, waits):
    mixed = {
        "accepted": 1,
        "rejected": 1,
        "results": [
            {"index": 0, "status": "rejected", "event_id": None, "errors": [{"field": "data", "message": "x"}]},
            {"index": 1, "status": "accepted", "event_id": "id-of-1", "errors": []},
        ],
    }
    answers = scripted(httpx.Response(503), httpx.Response(207, json=mixed), httpx.Response(500))
    events = [
        Outgoing(b"null", Kind.REJECTED),
        Outgoing(b'{"headers": {"type": "T"}, "data": {}}', Kind.GOLD),
        *numbered(2),
    ]
    path = tmp_path / "record"
    with recording(path) as recorder:
        await sender(answers, Schedule(2), recorder=recorder, sleep=waits).run(events)
        (line,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert {key: line[key] for key in ("event_id", "batch", "index", "type", "kind")} == {
        "event_id": "id-of-1",
        "batch": 0,
        "index": 1,
        "type": "T",
        "kind": "gold",
    }
    assert line["sent_at"] < line["acked_at"]
    assert line["acked_at"].endswith("Z")


async def test_a_record_that_cannot_be_written_ends_the_run_with_its_tally():
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError("no space left")

    tally = await sender(accept_all, Schedule(1), recorder=Recorder(Full())).run(numbered(3))
    assert (tally.accepted, tally.failure) == (1, "batch 1: no space left")


async def test_no_event_counts_before_its_answer_is_there():
    seen = []
    one: Sender = sender(accept_all, Schedule(5), progress=lambda tally: seen.append((tally.accepted, tally.in_flight)))
    await one.run(numbered(10))
    assert seen == [(5, 0), (10, 0)]


async def test_stop_lets_requests_in_flight_finish_and_starts_no_more():
    async def stop_meanwhile(request):
        one.stop()
        await asyncio.sleep(0.01)
        return accept_all(request)

    one: Sender = sender(stop_meanwhile, Schedule(1))
    tally = await one.run(numbered(5))
    assert (tally.accepted, tally.in_flight, tally.interrupted, tally.failure) == (1, 0, True, None)


async def test_stop_ends_the_wait_for_the_next_request():
    one: Sender = sender(accept_all, Schedule(1, rate=0.01), progress=lambda _: one.stop())
    tally = await one.run(numbered(5))
    assert (tally.accepted, tally.interrupted) == (1, True)
    assert tally.seconds < 5


async def test_requests_that_outlast_the_grace_have_no_answer(monkeypatch):
    monkeypatch.setattr(sender_module, "GRACE_SECONDS", 0.05)

    async def hang(request):
        one.stop()
        await asyncio.Event().wait()

    one: Sender = sender(hang, Schedule(2))
    tally = await one.run(numbered(5))
    assert (tally.events, tally.in_flight, tally.interrupted) == (0, 2, True)


async def test_a_second_stop_ends_at_once():
    async def hang(request):
        one.stop()
        one.stop()
        await asyncio.Event().wait()

    one: Sender = sender(hang, Schedule(2))
    tally = await one.run(numbered(5))
    assert tally.in_flight == 2
    assert tally.seconds < 3
