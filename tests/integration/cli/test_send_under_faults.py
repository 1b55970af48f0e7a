"""Generated load against a real collector: what the record says was acknowledged is in Kafka, faults or not."""

import json
import uuid
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from typer.testing import CliRunner

from holded_cli.main import app
from holded_cli.send.events import Generator
from holded_cli.send.mixture import Shares
from holded_contracts.settings import KafkaSettings, TopicNames
from holded_contracts.topics import Artefact
from holded_contracts.wire import decode, parsed_schema
from tests.integration.cli.flaky_proxy import flaky_proxy
from tests.integration.conftest import PARTITIONS

pytestmark = pytest.mark.integration

TOTAL, BATCH, SEED = 2000, 25, 4
SHARES = Shares.of(duplicates=0.05, rejected=0.02, dead_letters=0.02)
OPTIONS = ("--duplicates", "0.05", "--invalid", "0.02", "--poison", "0.02", "--batch", str(BATCH), "--json")


def send(*arguments: str):
    result = CliRunner().invoke(app, ["send", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def payloads_by_id(kafka: KafkaSettings, topic: str) -> dict[str, list[bytes]]:
    """Return the payloads of all records of the raw topic by event_id, which is their key and their field."""
    consumer = Consumer({**kafka.client_config(), "group.id": "oracle", "enable.auto.commit": False})
    schema = parsed_schema(Artefact.RAW)
    found: dict[str, list[bytes]] = defaultdict(list)
    try:
        places = [TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)]
        left = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        consumer.assign(places)
        while left:
            message = consumer.poll(10)
            assert message is not None, f"{left} records are missing"
            assert message.error() is None, message.error()
            record = decode(message.value(), schema, schema)
            assert record["event_id"] == message.key()
            found[str(uuid.UUID(bytes=message.key()))].append(record["payload"])
            left -= 1
    finally:
        consumer.close()
    return found


def test_each_acknowledged_event_is_in_the_raw_topic_under_its_id(
    collector: str, kafka: KafkaSettings, topics: TopicNames, tmp_path: Path
):
    record = tmp_path / "acknowledged.jsonl"
    load = ("--generate", str(TOTAL), "--seed", str(SEED), "--concurrency", "4", "--gzip")
    with flaky_proxy(collector) as proxy:
        numbers = send(*load, *OPTIONS, "--url", proxy.url, "--record", str(record))

    assert min(proxy.faults[fault] for fault in ("503", "429", "answer lost")) > 3
    assert numbers["retries_by_cause"] == {
        "503": proxy.faults["503"],
        "429": proxy.faults["429"],
        "connection": proxy.faults["answer lost"],
    }
    assert numbers["kinds"] == {kind.value: count for kind, count in SHARES.counts(TOTAL).items()}
    assert (numbers["accepted"], numbers["rejected"]) == (TOTAL - 40, 40)

    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert Counter(line["kind"] for line in lines) == {"gold": 1820, "duplicate": 100, "dead_letter": 40}
    found = payloads_by_id(kafka, topics.raw)
    assert set(found) == {line["event_id"] for line in lines}
    sent = [event.payload for event in Generator(SEED).events(SHARES, TOTAL)]
    for event_id, acknowledged in Counter(line["event_id"] for line in lines).items():
        assert len(found[event_id]) >= acknowledged
    for line in lines:
        assert sent[line["batch"] * BATCH + line["index"]] in found[line["event_id"]]
    assert sum(map(len, found.values())) > len(lines), "a lost answer makes a copy"


def test_a_steady_rate_is_kept_and_every_event_of_it_is_in_kafka(
    collector: str, kafka: KafkaSettings, topics: TopicNames
):
    numbers = send("--rate", "200", "--duration", "3s", "--concurrency", "4", *OPTIONS, "--url", collector)
    assert numbers["planned"] == 600
    assert 500 < numbers["events"] <= 600, "a hiccup near the end costs the last requests"
    assert numbers["accepted"] == sum(map(len, payloads_by_id(kafka, topics.raw).values()))
    assert 150 < numbers["rate"] < 220
    assert numbers["time_to_ack_ms"]["max"] >= numbers["latency_ms"]["p50"] > 0
