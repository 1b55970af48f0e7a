"""From what became of a batch to the records of its transaction."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from zlib import crc32

from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.domain.analytics import increments
from holded_worker.domain.records import RawRecord, Span
from holded_worker.embedded import BatchResult
from holded_worker.io.codec import Encoders
from holded_worker.io.producer import OutputRecord
from holded_worker.io.topology import Topology


class OutputBuilder:
    """Encodes results and gives each its place.

    Silver keeps the raw partition; dead letters and the ledger take it modulo their count. Analytics go by account.
    """

    def __init__(self, settings: WorkerSettings, encoders: Encoders) -> None:
        self._topics = settings.topics
        self._worker = settings.pod_name
        self._version = settings.pipeline.version
        self._encoders = encoders

    def build(
        self, spans: Mapping[int, Span], result: BatchResult, topology: Topology, now: int
    ) -> Iterator[OutputRecord]:
        """Yield every record of a batch's transaction, given what it spans by partition; `now` in microseconds."""
        for partition, span in spans.items():
            silver, dead = result.silver.get(partition, []), result.dead.get(partition, [])
            for event in silver:
                at = event["processed_at"] // 1000
                yield OutputRecord(self._topics.silver, partition, event["event_id"], self._encoders.silver(event), at)
            dead_letter_partition = topology.target(Artefact.DEAD_LETTER, partition)
            for letter in dead:
                yield self._record(
                    Artefact.DEAD_LETTER, dead_letter_partition, letter["event_id"], letter, letter["failed_at"]
                )
            entry = self._ledger_entry(partition, span, result, topology, now)
            key = f"{topology.raw_topic_id}:{partition}".encode()
            yield self._record(Artefact.LEDGER, topology.target(Artefact.LEDGER, partition), key, entry, now)
        # Counted over all partitions of the batch, which makes fewer of them; an account's are in one partition.
        for increment in increments(chain.from_iterable(result.silver.values()), now):
            key = (increment["account_id"] or "").encode()
            target = topology.target(Artefact.ANALYTICS, crc32(key))
            yield self._record(Artefact.ANALYTICS, target, key, increment, now)

    def _record(
        self, artefact: Artefact, partition: int, key: bytes | None, fields: dict[str, Any], at: int
    ) -> OutputRecord:
        value = self._encoders.encode(artefact, fields)
        return OutputRecord(getattr(self._topics, artefact), partition, key, value, at // 1000)

    def _ledger_entry(
        self, partition: int, span: Span, result: BatchResult, topology: Topology, now: int
    ) -> dict[str, Any]:
        return {
            "topic": self._topics.raw,
            "topic_id": topology.raw_topic_id,
            "partition": partition,
            "first_offset": span.first,
            "last_offset": span.last,
            "records": span.records,
            "silver": len(result.silver.get(partition, ())),
            "dead_letters": len(result.dead.get(partition, ())),
            "duplicates": len(result.duplicates.get(partition, ())),
            "committed_at": now,
            "worker": self._worker,
            "pipeline_version": self._version,
        }


def spans(batch: Mapping[int, list[RawRecord]]) -> dict[int, Span]:
    """Return what a batch spans, by partition."""
    return {partition: Span(of[0].offset, of[-1].offset, len(of)) for partition, of in batch.items()}
