"""What `holded send` puts on the wire, and how it takes each of the collector's answers."""

import gzip
import json
from datetime import UTC, datetime

import httpx
import pytest

from holded_cli.send import (
    MAX_ATTEMPTS,
    InputError,
    Sender,
    percentile,
    rejected_fields,
    retry_after_seconds,
    split_array,
)

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def accept_all(request):
    events = json.loads(request.content)
    results = [{"index": i, "status": "accepted", "event_id": str(i), "errors": []} for i in range(len(events))]
    return httpx.Response(202, json={"accepted": len(events), "rejected": 0, "results": results})


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


def sender(handler, **options):
    client = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://collector")
    return Sender(client, **options)


def test_events_travel_byte_for_byte_in_batches():
    bodies = []

    def record(request):
        assert request.url.path == "/collect"
        assert request.headers["Content-Type"] == "application/json"
        bodies.append(request.content)
        return accept_all(request)

    events = split_array(b'[ {"n": 18446744073709551615, "x" : 1.10},{"b":2} , "\xc3\xb1"]')
    tally = sender(record).send(events, 2)
    assert bodies == [b'[{"n": 18446744073709551615, "x" : 1.10},{"b":2}]', b'["\xc3\xb1"]']
    assert (tally.accepted, tally.rejected, tally.batches, tally.failure) == (3, 0, 2, None)


@pytest.mark.parametrize("document", [b"{}", b"[1,", b"", b"null", b"[1] 2"])
def test_what_is_no_array_is_refused_before_anything_is_sent(document):
    with pytest.raises(InputError, match="JSON array"):
        split_array(document)


def test_gzip_compresses_the_request():
    def unpack(request):
        assert request.headers["Content-Encoding"] == "gzip"
        return accept_all(httpx.Request("POST", "http://collector", content=gzip.decompress(request.content)))

    assert sender(unpack, compress=True).send([b"{}"], 10).accepted == 1


@pytest.mark.parametrize("status", [207, 422])
def test_rejections_are_answers_and_are_counted_by_field(status):
    results = [
        {
            "index": 0,
            "status": "rejected",
            "event_id": None,
            "errors": [{"field": "headers.type", "message": "missing"}],
        },
        {"index": 1, "status": "rejected", "event_id": None, "errors": [{"field": "data", "message": "no object"}]},
        {"index": 2, "status": "rejected", "event_id": None, "errors": [{"field": "data", "message": "no object"}]},
    ]
    body = {"accepted": 0, "rejected": 3, "results": results}
    tally = sender(scripted(httpx.Response(status, json=body))).send([b"1", b"2", b"3"], 50)
    assert tally.failure is None
    assert tally.as_json()["rejected_by_field"] == {"data": 2, "headers.type": 1}


def test_an_event_with_two_faults_in_one_field_counts_once_for_it():
    error = {"field": "data", "message": "x"}
    assert list(rejected_fields([{"status": "rejected", "errors": [error, error]}])) == ["data"]


def test_a_fault_of_the_whole_event_has_a_name():
    error = {"field": "", "message": "must be an object, not null"}
    assert list(rejected_fields([{"status": "rejected", "errors": [error]}])) == ["event"]


def test_503_and_429_are_retried_after_the_time_they_ask_for():
    waits: list[float] = []
    busy = httpx.Response(503, headers={"Retry-After": "7"})
    limited = httpx.Response(429, headers={"Retry-After": "2"})
    tally = sender(scripted(busy, limited), sleep=waits.append).send([b"{}"], 50)
    assert waits == [7.0, 2.0]
    assert (tally.accepted, tally.retries, tally.failure) == (1, 2, None)


def test_a_lost_connection_is_retried_with_backoff():
    waits: list[float] = []
    tally = sender(scripted(httpx.ConnectError("refused")), sleep=waits.append).send([b"{}"], 50)
    assert tally.accepted == 1
    assert len(waits) == 1
    assert 0 < waits[0] < 5


def test_retries_are_bounded_and_the_rest_is_not_sent():
    requests = []

    def always_busy(request):
        requests.append(request)
        return httpx.Response(503, text="Kafka cannot take it", headers={"Retry-After": "0"})

    tally = sender(always_busy, sleep=lambda _: None).send([b"{}"] * 5, 2)
    assert len(requests) == MAX_ATTEMPTS
    assert tally.events == 0
    assert "batch 1" in tally.failure
    assert "503 Kafka cannot take it" in tally.failure


def test_a_wait_longer_than_the_patience_ends_sending():
    busy = httpx.Response(503, headers={"Retry-After": "3600"})
    tally = sender(scripted(busy), patience_seconds=60, sleep=lambda _: None).send([b"{}"], 1)
    assert tally.failure is not None
    assert tally.retries == 0


@pytest.mark.parametrize("status", [400, 401, 413, 500])
def test_another_answer_is_a_failure_that_keeps_what_was_counted(status):
    first = httpx.Response(202, json={"accepted": 1, "rejected": 0, "results": []})
    tally = sender(scripted(first, httpx.Response(status, text="no"))).send([b"1", b"2", b"3"], 1)
    assert tally.accepted == 1
    assert tally.failure == f"batch 2: POST http://collector/collect: {status} no"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0.0),
        ("x", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


def test_percentiles_are_nearest_rank():
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([4.0], 0.99) == 4.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
