"""What goes into the transaction of a batch."""

from collections import Counter
from typing import Any

from holded_contracts import wire
from holded_contracts.settings import KafkaSettings, PipelineSettings, SchemaRegistrySettings, WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.embedded import EmbeddedRunner
from holded_worker.io.topology import Topology
from holded_worker.outputs import OutputBuilder, spans
from tests.unit.worker.samples import NOW, RAW_SCHEMA_ID, RULES, event, raw_record

SCHEMAS = {RAW_SCHEMA_ID: wire.parsed_schema(Artefact.RAW)}
SETTINGS = WorkerSettings(
    pipeline=PipelineSettings(name="demo", namespace="tests", version="1"),
    kafka=KafkaSettings(bootstrap_servers="kafka:9092"),
    schema_registry=SchemaRegistrySettings(url="http://registry"),
)


class PlainEncoders:
    """Keeps the fields as they are."""

    def silver(self, fields: dict[str, Any]) -> Any:
        return fields

    def encode(self, _: Artefact, fields: dict[str, Any]) -> Any:
        return fields


def test_every_record_of_a_batch_is_in_one_column_of_its_partition_s_ledger_entry():
    def record(partition: int, offset: int, event_id: bytes, payload: object = None) -> Any:
        return raw_record(event() if payload is None else payload, event_id, partition=partition, offset=offset)

    batch = {
        0: [record(0, 5, b"a" * 16), record(0, 6, b"a" * 16), record(0, 9, b"b" * 16), record(0, 10, b"d" * 16, {})],
        3: [record(3, 1, b"c" * 16), record(3, 2, b"k" * 16)],
    }
    result = EmbeddedRunner(RULES).run(batch, {0: set(), 3: {b"k" * 16}}, SCHEMAS)
    topology = Topology(raw_topic_id="raw-id", partitions=dict.fromkeys(Artefact, 2) | {Artefact.SILVER: 4})
    built = list(OutputBuilder(SETTINGS, PlainEncoders()).build(spans(batch), result, topology, NOW))  # type: ignore[arg-type]

    entries: list[Any] = [output.value for output in built if output.topic == SETTINGS.topics.ledger]
    columns = ("partition", "first_offset", "last_offset", "records", "silver", "dead_letters", "duplicates")
    assert [tuple(entry[name] for name in columns) for entry in entries] == [
        (0, 5, 10, 4, 2, 1, 1),
        (3, 1, 2, 2, 1, 0, 1),
    ]
    assert all(entry["records"] == entry["silver"] + entry["dead_letters"] + entry["duplicates"] for entry in entries)
    assert Counter((output.topic, output.partition) for output in built if output.topic == SETTINGS.topics.silver) == {
        (SETTINGS.topics.silver, 0): 2,
        (SETTINGS.topics.silver, 3): 1,
    }
