"""What the collector sends by itself: one event per period, by the way of all others, at nobody's cost."""

import asyncio

import orjson
import pytest

from holded_collector.canary import CanarySender
from holded_contracts.canary import CANARY_TYPE, canary_source
from holded_contracts.topics import Artefact
from holded_contracts.wire import decode, parsed_schema
from holded_worker.domain.process import Rules, process_event
from holded_worker.domain.records import RawEvent
from tests.unit.collector.conftest import Rig, make_settings

RAW = parsed_schema(Artefact.RAW)


def outcome(rig: Rig, name: str) -> float:
    return rig.metric("holded_collector_canaries_total", outcome=name)


def sender(rig: Rig) -> CanarySender:
    return rig.components.canary


async def test_a_canary_is_a_raw_record_that_the_worker_takes_for_an_event() -> None:
    rig = Rig(make_settings(canary_period_seconds=30, pod_name="collector-7"))
    await sender(rig).send()
    await sender(rig).send()
    (key, value), (other, _) = rig.publisher.records
    assert key != other, "each is an event of its own"
    raw = decode(value, RAW, RAW)
    assert (raw["event_id"], raw["type"], raw["source"]) == (key, CANARY_TYPE, canary_source("collector-7"))
    assert orjson.loads(raw["payload"])["data"]["pod"] == "collector-7"

    event = RawEvent("raw", 0, 0, 1, key, raw["received_at"], raw["type"], raw["source"], raw["payload"])
    silver = process_event(event, Rules("test"), raw["received_at"]).silver
    assert silver is not None
    assert (silver["type"], silver["source"]) == (CANARY_TYPE, canary_source("collector-7"))


async def test_canaries_are_in_no_figure_of_requests() -> None:
    rig = Rig(make_settings(canary_period_seconds=30))
    await sender(rig).send()
    assert outcome(rig, "sent") == 1
    for name in ("accepted", "rejected", "unconfirmed"):
        assert rig.metric("holded_collector_events_total", outcome=name) == 0
    assert rig.metric("holded_collector_ack_seconds_count") == 0


async def test_while_kafka_or_registry_is_away_canaries_are_left_out() -> None:
    rig = Rig(make_settings(canary_period_seconds=30))
    rig.publisher.away = "Kafka is away"
    await sender(rig).send()
    rig.publisher.away, rig.schema_id.id = None, None
    await sender(rig).send()
    rig.schema_id.id, rig.lifecycle.draining = 7, True
    await sender(rig).send()
    assert outcome(rig, "skipped") == 3
    assert not rig.publisher.records


async def test_a_canary_that_kafka_does_not_take_is_counted_and_nothing_else() -> None:
    rig = Rig(make_settings(canary_period_seconds=30))
    rig.publisher.failure = "queue full"
    await sender(rig).send()
    assert outcome(rig, "unconfirmed") == 1


async def test_requests_are_answered_while_a_canary_waits_for_kafka() -> None:
    rig = Rig(make_settings(canary_period_seconds=30))
    rig.publisher.gate.clear()
    waiting = asyncio.create_task(sender(rig).send())
    await rig.publisher.full.wait()
    rig.publisher.gate.set()
    async with rig.client() as client:
        answer = await client.post("/collect", json=[{"data": {}, "headers": {"type": "T"}}])
    await waiting
    assert answer.status_code == 202
    assert outcome(rig, "sent") == 1


async def test_one_is_sent_each_period_until_the_context_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(make_settings(canary_period_seconds=30))
    slept: list[float] = []
    three = asyncio.Event()
    sleep = asyncio.sleep

    async def fast(seconds: float) -> None:
        slept.append(seconds)
        if len(rig.publisher.records) >= 3:
            three.set()
        await sleep(0)

    monkeypatch.setattr("holded_collector.canary.asyncio.sleep", fast)
    async with sender(rig).running():
        await asyncio.wait_for(three.wait(), 5)
    sent = len(rig.publisher.records)
    await sleep(0.01)
    assert len(rig.publisher.records) == sent, "none after the end"
    assert 0 <= slept[0] <= 30
    assert all(29 < seconds <= 30 for seconds in slept[1:])
    assert rig.metric("holded_collector_canary_period_seconds") == 30


async def test_a_fault_that_nobody_foresaw_ends_neither_canaries_nor_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(make_settings(canary_period_seconds=30))
    tries, enough, sleep = [], asyncio.Event(), asyncio.sleep

    async def broken(*_: object) -> None:
        tries.append(1)
        if len(tries) == 2:
            enough.set()
        raise RuntimeError("a bug")

    async def fast(_: float) -> None:
        await sleep(0)

    monkeypatch.setattr(rig.publisher, "publish", broken)
    monkeypatch.setattr("holded_collector.canary.asyncio.sleep", fast)
    async with sender(rig).running():
        await asyncio.wait_for(enough.wait(), 5)


async def test_without_a_period_nothing_is_sent() -> None:
    rig = Rig(make_settings())
    async with sender(rig).running():
        await asyncio.sleep(0.01)
    assert not rig.publisher.records
    assert rig.metric("holded_collector_canary_period_seconds") == 0
