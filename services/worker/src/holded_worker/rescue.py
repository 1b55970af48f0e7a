"""What becomes of a batch that cannot be encoded: each record is tried alone, and only those that fail are refused."""

from collections.abc import Callable, Mapping

import structlog

from holded_worker.domain.decode import SchemaSource, decode
from holded_worker.domain.process import Rules, dead_letter, unforeseen
from holded_worker.domain.records import DeadLetter, RawEvent, RawRecord
from holded_worker.embedded import BatchResult
from holded_worker.pipeline import DEAD, SILVER

type Batch = Mapping[int, list[RawRecord]]

log = structlog.get_logger()


class Rescue:
    """Turns records on which the output edge has a bug into dead letters (`processing_error`)."""

    def __init__(self, schemas: SchemaSource, rules: Rules) -> None:
        self._schemas = schemas
        self._rules = rules

    def without_unwritable(
        self, batch: Batch, result: BatchResult, encode: Callable[[Batch, BatchResult], object], now: int
    ) -> BatchResult:
        """Return the result with a dead letter in the place of each record that `encode` fails on by itself.

        Costs as much as another batch of single records, so it is for a batch that has failed; `now` in microseconds.
        """
        kept = BatchResult()
        kept.duplicates = result.duplicates
        for partition, records in batch.items():
            at = {record.offset: record for record in records}
            silver = [(SILVER, item, at[item["raw_offset"]]) for item in result.silver.get(partition, ())]
            dead = [(DEAD, item, at[item["offset"]]) for item in result.dead.get(partition, ())]
            for output, item, record in [*silver, *dead]:
                alone = BatchResult()
                alone.collect(output, partition, [item])
                try:
                    encode({partition: [record]}, alone)
                except MemoryError:
                    raise  # of the process, not of an event
                except Exception as error:  # noqa: BLE001 -- a bug may raise anything
                    kept.collect(DEAD, partition, [self._refused(output, record, error, now)])
                else:
                    kept.collect(output, partition, [item])
        return kept

    def _refused(self, output: str, record: RawRecord, error: Exception, now: int) -> DeadLetter:
        log.error(
            "a record cannot be encoded", record=f"{record.topic}/{record.partition}/{record.offset}", exc_info=error
        )
        # A dead letter that cannot be encoded is one of the bytes alone: nothing that was read from them is in it.
        event = decode(record, self._schemas) if output == SILVER else None
        source = event if isinstance(event, RawEvent) else record
        return dead_letter(source, unforeseen(source, "Encode", error), self._rules, now)
