"""G1: a 2xx means that the event is in Kafka. Each test runs the collector as a process."""

import gzip
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from holded_contracts.identity import DEFAULT_ID_HEADERS, derive_event_id
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import KafkaSettings, SchemaRegistrySettings, TopicNames
from holded_contracts.topics import Artefact
from holded_contracts.wire import decode, parsed_schema, split

pytestmark = pytest.mark.integration

Read = Callable[[KafkaSettings, str], list[tuple[int, bytes, bytes]]]
TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"


def event(number: int) -> dict[str, Any]:
    return {"headers": {"type": TYPE}, "data": {"number": number}}


def test_202_means_the_record_is_in_the_raw_topic_with_its_original_bytes(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Read,
) -> None:
    collector = start_collector(kafka, schema_registry, topics)
    collector.wait_ready()
    payloads = [
        json.dumps(event(1), indent=2).encode(),
        b'{"headers":{"type":"T"},"data":{"big":123456789012345678901234567890,"odd":"\\ud800","dup":1,"dup":2}}',
        '{"headers":{"type":"Ñ😀"},"data":{"text":"\\u0000 <b>\'; DROP TABLE"}}'.encode(),
    ]
    response = collector.post(
        gzip.compress(b"[" + b" , ".join(payloads) + b"]"), **{"Content-Encoding": "gzip", "X-Request-Id": "r-1"}
    )
    assert response.status_code == 202, response.text
    assert response.headers["x-request-id"] == "r-1"

    records = read_records(kafka, topics.raw)
    registry = RegistryReader(schema_registry)
    decoded = {
        key: decode(value, registry.schema(split(value)), parsed_schema(Artefact.RAW)) for _, key, value in records
    }
    assert sorted(record["payload"] for record in decoded.values()) == sorted(payloads)
    for result, payload in zip(response.json()["results"], payloads, strict=True):
        record = decoded[uuid.UUID(result["event_id"]).bytes]
        assert record["payload"] == payload
        headers = json.loads(payload)["headers"]
        assert record["event_id"] == derive_event_id(payload, headers["type"], headers, DEFAULT_ID_HEADERS)
        assert record["type"] == headers["type"]


def test_the_same_event_sent_twice_has_one_identity_and_one_partition(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Read,
) -> None:
    collector = start_collector(kafka, schema_registry, topics)
    collector.wait_ready()
    events = [event(number) for number in range(50)]
    first = collector.post(json.dumps(events).encode()).json()
    second = collector.post(json.dumps(events, sort_keys=True, indent=1).encode()).json()
    assert [result["event_id"] for result in first["results"]] == [result["event_id"] for result in second["results"]]
    places: dict[bytes, list[int]] = {}
    for partition, key, _ in read_records(kafka, topics.raw):
        places.setdefault(key, []).append(partition)
    assert len(places) == 50
    assert all(len(partitions) == 2 and len(set(partitions)) == 1 for partitions in places.values())
    assert len({partitions[0] for partitions in places.values()}) > 1


def test_limits_hold_on_a_real_connection(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Read,
) -> None:
    collector = start_collector(kafka, schema_registry, topics, limits={"max_body_bytes": 1_000_000})
    collector.wait_ready()
    large = b"[" + b" " * 2_000_000 + b"]"
    assert collector.post(large).status_code == 413
    chunked = httpx.post(
        f"{collector.url}/collect", content=(large[at : at + 100_000] for at in range(0, len(large), 100_000))
    )
    assert chunked.status_code == 413
    bomb = collector.post(gzip.compress(bytes(50_000_000)), **{"Content-Encoding": "gzip"})
    assert bomb.status_code == 413
    deep = b'{"headers":{"type":"T"},"data":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    mixed = collector.post(b"[" + deep + b"," + json.dumps(event(1)).encode() + b"]")
    assert mixed.status_code == 207
    assert len(read_records(kafka, topics.raw)) == 1


def test_concurrent_requests_are_all_found_again(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Read,
) -> None:
    collector = start_collector(kafka, schema_registry, topics)
    collector.wait_ready()

    def send(request: int) -> list[str]:
        answer = collector.post(json.dumps([event(request * 100 + number) for number in range(100)]).encode())
        assert answer.status_code == 202
        return [result["event_id"] for result in answer.json()["results"]]

    with ThreadPoolExecutor(8) as pool:
        accepted = {uuid.UUID(text).bytes for ids in pool.map(send, range(40)) for text in ids}
    assert len(accepted) == 4000
    assert {key for _, key, _ in read_records(kafka, topics.raw)} == accepted
    metrics = collector.get("/metrics").text
    assert 'holded_collector_events_total{outcome="accepted"} 4000.0' in metrics
    assert "holded_collector_kafka_available 1.0" in metrics
