"""`holded send` against a real collector, Kafka and registry."""

import json
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from holded_cli.main import app
from holded_cli.samples import Kind, Mix, generate
from holded_contracts.settings import KafkaSettings, TopicNames
from tests.integration.conftest import PARTITIONS

pytestmark = pytest.mark.integration

EVENTS = Path(__file__).parents[2] / "data" / "events.json"


def records_in(kafka: KafkaSettings, topic: str) -> int:
    consumer = Consumer({**kafka.client_config(), "group.id": "counting"})
    try:
        marks = [consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10) for n in range(PARTITIONS)]
        return sum(high - low for low, high in marks)
    finally:
        consumer.close()


@pytest.mark.parametrize("options", [[], ["--gzip", "--batch", "7"]])
def test_what_is_reported_as_accepted_is_in_kafka(
    options: list[str], collector: str, kafka: KafkaSettings, topics: TopicNames
):
    result = CliRunner().invoke(app, ["send", str(EVENTS), "--url", collector, "--json", *options])
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert numbers["accepted"] == Mix().accepted
    assert numbers["rejected"] == Mix().rejected
    assert numbers["latency_ms"]["p99"] >= numbers["latency_ms"]["p50"] > 0
    assert records_in(kafka, topics.raw) == numbers["accepted"]


def test_rejections_are_counted_by_the_field_at_fault(collector: str):
    result = CliRunner().invoke(app, ["send", str(EVENTS), "--url", collector, "--json"])
    at_fault = Counter(sample.about.split()[0] for sample in generate() if sample.kind is Kind.REJECTED)
    assert json.loads(result.stdout)["rejected_by_field"] == at_fault
