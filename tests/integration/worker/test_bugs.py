"""Bugs that nobody foresaw, put into a worker in this process: met by one record they cost one dead letter, met by many
they stop the stage with nothing committed (D7). Kafka and registry are real."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from holded_contracts.settings import WorkerBatch, WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker import outputs
from holded_worker.domain.analytics import increments
from holded_worker.domain.process import enrich_event
from holded_worker.io.codec import Encoders
from holded_worker.io.errors import FatalError
from tests.integration.worker.support import RawTopic, Topics, event, identity, running, worker_driver
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

EVENTS = [event(number) for number in range(600)]
NOT_JSON = b"no json"
VICTIM = event(7)


@pytest.fixture
def settings(settings: WorkerSettings) -> WorkerSettings:
    """A worker whose batch waits for all that has been sent, however slowly this machine hands it over."""
    return settings.model_copy(update={"batch": WorkerBatch(max_events=500, max_wait_ms=1000)})


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What the worker logs, as it is: structlog's own console takes a second for each of these traces."""
    with capture_logs() as lines:
        yield lines


def raising(real: Callable[..., Any], meets: Callable[[Any], bool]) -> Callable[..., Any]:
    """Return the function with a bug that some of its last arguments meet."""

    def call(*args: Any) -> Any:
        if meets(args[-1]):
            raise ZeroDivisionError("a bug")
        return real(*args)

    return call


def assert_stops(settings: WorkerSettings, state: Topics, *, restarts: int) -> None:
    for _ in range(restarts):
        metrics, stop = CollectorRegistry(), threading.Event()
        driver = worker_driver(settings, metrics, stop)
        patience = threading.Timer(60, stop.set)
        patience.start()
        with pytest.raises(FatalError, match=r"\d+ of \d+ records failed.*nothing of them was committed"):
            driver.run()
        patience.cancel()
        assert metrics.get_sample_value("holded_worker_transaction_errors_total", {"kind": "fatal"}) == 1
    assert sum(state.committed().values()) == 0
    for artefact in (Artefact.SILVER, Artefact.DEAD_LETTER, Artefact.ANALYTICS, Artefact.LEDGER):
        assert state.messages(artefact) == [], artefact


@pytest.mark.parametrize("place", ["step", "encoder"])
def test_a_bug_that_many_records_meet_stops_the_stage_and_floods_nothing(
    settings: WorkerSettings, raw: RawTopic, state: Topics, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    raw.send(EVENTS)
    with monkeypatch.context() as bug:
        if place == "step":
            buggy = raising(enrich_event, lambda opened: b'"a1"' in opened.event.payload)
            bug.setattr("holded_worker.pipeline.enrich_event", buggy)
        else:
            bug.setattr(Encoders, "silver", raising(Encoders.silver, lambda record: record["account_id"] == "a1"))
        assert_stops(settings, state, restarts=2)

    with running(settings):
        wait_until(state.drained, timeout=60, what="mended, it goes on where it was")
    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(payload) for payload in EVENTS)
    assert state.assert_ledger_balances()["dead_letters"] == 0


def _is_victim(record: Any) -> bool:
    return bool(record["event_id"] == identity(VICTIM))


def _counting(silver: Iterable[Any], now: int) -> list[Any]:
    records = list(silver)
    if any(map(_is_victim, records)):
        raise ZeroDivisionError("a bug")
    return increments(records, now)


BUGS = {
    "silver": (Encoders, "silver", raising(Encoders.silver, _is_victim), VICTIM, "event"),
    "analytics": (outputs, "increments", _counting, VICTIM, "event"),
    "dead letter": (
        Encoders,
        "encode",
        raising(Encoders.encode, lambda record: record.get("reason") == "invalid_json"),
        NOT_JSON,
        "record",
    ),
}
"""By the artefact that cannot be encoded: what is replaced by what, the payload that meets it, what its letter holds."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_record_that_cannot_be_encoded_is_one_dead_letter_and_harms_no_neighbour(
    settings: WorkerSettings, raw: RawTopic, state: Topics, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    owner, name, replacement, victim, kind = BUGS[bug]
    monkeypatch.setattr(owner, name, replacement)
    raw.send([*EVENTS, NOT_JSON])
    with running(settings) as metrics:
        wait_until(state.drained, timeout=60)
        errors = {"kind": "transient"}
        assert metrics.get_sample_value("holded_worker_transaction_errors_total", errors) == 0, "nothing is tried again"
        failed = {"reason": "processing_error"}
        assert metrics.get_sample_value("holded_worker_dead_letters_total", failed) == 1
    (letter,) = [one for one in state.values(Artefact.DEAD_LETTER) if one["reason"] == "processing_error"]
    assert (letter["detail"], letter["payload_kind"]) == ("Encode: ZeroDivisionError: a bug", kind)
    (record,) = [
        message
        for message in state.messages(Artefact.RAW)
        if (message.partition(), message.offset()) == (letter["partition"], letter["offset"])
    ]
    assert record.key() == identity(victim)
    assert letter["payload"] == (victim if kind == "event" else record.value())
    expected = Counter(identity(payload) for payload in EVENTS if payload != victim)
    assert Counter(value["event_id"] for value in state.values(Artefact.SILVER)) == expected
    assert state.assert_ledger_balances()["dead_letters"] == (2 if kind == "event" else 1)
