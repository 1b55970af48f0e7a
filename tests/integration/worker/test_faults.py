"""Faults between the steps of a batch, injected into a worker in this process; Kafka and registry are real."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from holded_contracts.io.registry import RegistryReader, UnknownSchemaError
from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.io.errors import TransientError
from holded_worker.io.producer import TransactionalProducer
from tests.integration.worker.support import RawTopic, Topics, event, identity, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def failing(real: Callable[..., None], *, every: int, before: bool) -> Callable[..., None]:
    """Return the call with a transient fault in each n-th, before or after what it does."""
    calls = 0

    def call(*args: Any) -> None:
        nonlocal calls
        calls += 1
        fails = calls % every == 1
        if not (fails and before):
            real(*args)
        if fails:
            raise TransientError("injected")

    return call


@pytest.mark.parametrize("fault", [("begin", True), ("send", True), ("send", False), ("commit", True)])
def test_a_batch_that_fails_is_taken_back_whole_and_done_again(
    settings: WorkerSettings, raw: RawTopic, state: Topics, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, bool]
) -> None:
    step, before = fault
    monkeypatch.setattr(
        TransactionalProducer, step, failing(getattr(TransactionalProducer, step), every=3, before=before)
    )
    payloads = [event(number) for number in range(3000)]
    raw.send([*payloads, b"no json"])
    with running(settings) as metrics:
        wait_until(state.drained, timeout=60)
        assert (metrics.get_sample_value("holded_worker_transaction_errors_total", {"kind": "transient"}) or 0) >= 1
    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(payload) for payload in payloads)
    assert state.assert_ledger_balances() == {"records": 3001, "silver": 3000, "dead_letters": 1, "duplicates": 0}


def test_a_registry_without_our_schemas_makes_no_dead_letters(
    settings: WorkerSettings, raw: RawTopic, state: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that lost its storage answers 404 to every question about our ids."""
    lost = threading.Event()
    lost.set()
    real_schema, real_schema_id = RegistryReader.schema, RegistryReader.schema_id

    def schema(self: RegistryReader, schema_id: int) -> Any:
        if lost.is_set():
            raise UnknownSchemaError("no such id")
        return real_schema(self, schema_id)

    def schema_id(self: RegistryReader, topic: str, artefact: Artefact) -> int:
        if lost.is_set() and artefact is Artefact.RAW:  # the worker has looked up the others when it started
            raise UnknownSchemaError("no such subject")
        return real_schema_id(self, topic, artefact)

    raw.send([event(number) for number in range(10)])
    monkeypatch.setattr(RegistryReader, "schema", schema)
    monkeypatch.setattr(RegistryReader, "schema_id", schema_id)
    with running(settings) as metrics:
        wait_until(
            lambda: metrics.get_sample_value("holded_worker_transaction_errors_total", {"kind": "transient"}),
            timeout=60,
            what="the worker meets the empty registry",
        )
        assert state.values(Artefact.DEAD_LETTER) == []
        lost.clear()
        wait_until(state.drained, timeout=60)
    assert state.assert_ledger_balances()["silver"] == 10
