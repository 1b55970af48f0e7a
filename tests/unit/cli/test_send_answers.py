"""What each answer of the collector means, and what is counted of it."""

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_cli.samples import Kind
from holded_cli.send.answers import (
    Answer,
    BatchFailedError,
    FieldError,
    RetryLaterError,
    Verdict,
    read_answer,
    retry_after_seconds,
)
from holded_cli.send.tally import Tally, percentile, percentiles_ms

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ACCEPTED = {"index": 0, "status": "accepted", "event_id": "a", "errors": []}
REJECTED = {"index": 1, "status": "rejected", "event_id": None, "errors": [{"field": "data", "message": "x"}]}
times = st.lists(st.floats(0, 1000), min_size=1)


def answered(status, body=None, **options):
    return httpx.Response(status, json=body, request=httpx.Request("POST", "http://collector/collect"), **options)


def test_a_mixed_answer_has_a_verdict_for_each_event():
    answer = read_answer(answered(207, {"accepted": 1, "rejected": 1, "results": [ACCEPTED, REJECTED]}), 2)
    assert [verdict.status for verdict in answer.results] == ["accepted", "rejected"]


@pytest.mark.parametrize(
    ("status", "body", "events"),
    [
        (202, {"accepted": 1, "rejected": 0, "results": []}, 1),
        (202, {"accepted": 1, "rejected": 0, "results": [ACCEPTED]}, 2),
        (202, {"accepted": 2, "rejected": 0, "results": [ACCEPTED, ACCEPTED]}, 2),
        (202, {"accepted": 1, "rejected": 1, "results": [ACCEPTED, REJECTED]}, 2),
        (207, {"accepted": 2, "rejected": 0, "results": [ACCEPTED, REJECTED]}, 2),
        (422, {"accepted": 1, "rejected": 1, "results": [ACCEPTED, REJECTED]}, 2),
        (202, {"accepted": 1, "rejected": 0, "results": [ACCEPTED | {"event_id": None}]}, 1),
    ],
)
def test_an_answer_that_does_not_account_for_each_event_accepts_nothing(status, body, events):
    with pytest.raises(BatchFailedError, match=f"does not account for its {events} events"):
        read_answer(answered(status, body), events)


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"accepted": 1}', b"[]"])
def test_an_answer_that_cannot_be_read_accepts_nothing(content):
    with pytest.raises(BatchFailedError, match="unreadable answer"):
        read_answer(httpx.Response(202, content=content, request=httpx.Request("POST", "http://c/collect")), 1)


@pytest.mark.parametrize("status", [429, 503])
def test_busy_answers_say_when_to_come_back(status):
    with pytest.raises(RetryLaterError) as caught:
        read_answer(answered(status, headers={"Retry-After": "7"}), 1)
    assert (caught.value.cause, caught.value.seconds) == (str(status), 7.0)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 413, 500, 502])
def test_any_other_status_claims_nothing(status):
    body = {"accepted": 1, "rejected": 0, "results": [ACCEPTED]}
    with pytest.raises(BatchFailedError, match=f"POST http://collector/collect: {status}"):
        read_answer(answered(status, body), 1)


def test_an_event_with_two_faults_in_one_field_counts_once_for_it():
    assert Verdict(0, "rejected", None, [FieldError("data"), FieldError("data")]).fields == {"data"}


def test_a_fault_of_the_whole_event_has_a_name():
    assert Verdict(0, "rejected", None, [FieldError("", "must be an object, not null")]).fields == {"event"}


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


def test_a_tally_counts_what_was_answered_and_knows_what_was_not():
    tally = Tally()
    tally.started(2, lateness=0.0)
    tally.started(3, lateness=0.5)
    verdicts = [Verdict(0, "accepted", "a"), Verdict(1, "rejected", None, [FieldError("data"), FieldError("headers")])]
    tally.answered(Answer(1, 1, verdicts), [Kind.GOLD, Kind.REJECTED], latency=0.01, delay=0.02)
    numbers = tally.as_json()
    assert (numbers["events"], numbers["accepted"], numbers["rejected"], numbers["unanswered"]) == (2, 1, 1, 3)
    assert numbers["rejected_by_field"] == {"data": 1, "headers": 1}
    assert numbers["kinds"] == {"gold": 1, "duplicate": 0, "rejected": 1, "dead_letter": 0}
    assert numbers["latency_ms"] == {"p50": 10.0, "p90": 10.0, "p99": 10.0, "max": 10.0}
    assert numbers["time_to_ack_ms"]["max"] == 20.0
    assert (numbers["late_batches"], numbers["max_lateness_ms"]) == (1, 500.0)


def test_a_tally_of_nothing_has_no_latencies():
    numbers = Tally().as_json()
    assert numbers["latency_ms"] == {"p50": None, "p90": None, "p99": None, "max": None}
    assert numbers["rate"] == 0.0


@given(times, st.integers(1, 1000))
def test_a_percentile_is_the_smallest_value_that_covers_the_share(values, thousandths):
    found = percentile(values, thousandths / 1000)
    assert found in values
    assert 1000 * sum(value <= found for value in values) >= thousandths * len(values)
    assert 1000 * sum(value < found for value in values) < thousandths * len(values)


@given(times)
def test_percentiles_are_in_order_and_end_with_the_maximum(values):
    found = [value for value in percentiles_ms(values).values() if value is not None]
    assert len(found) == 4
    assert found == sorted(found)
    assert found[-1] == pytest.approx(max(values) * 1000, abs=0.01)


def test_percentiles_are_nearest_rank():
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.07, 0.5, 0.99, 1.0)] == [7.0, 50.0, 99.0, 100.0]
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
