"""The worker without Beam, to see what Beam costs: the same functions in a loop, all else as it is."""

from collections.abc import Container, Mapping

from holded_worker.domain.process import Rules, process
from holded_worker.domain.records import RawRecord
from holded_worker.embedded import BatchResult, Schemas
from holded_worker.main import main
from holded_worker.pipeline import DEAD, DUPLICATES, SILVER, now_micros


class _Schemas:
    def __init__(self, known: Schemas) -> None:
        self._known = known

    def writer_schema(self, schema_id: int) -> object | None:
        return self._known.get(schema_id)


class PlainRunner:
    """What EmbeddedRunner does, without Beam."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def run(
        self, records: Mapping[int, list[RawRecord]], known: Mapping[int, Container[bytes]], schemas: Schemas
    ) -> BatchResult:
        """Process the records of each partition, in the order given."""
        result, source, now = BatchResult(), _Schemas(schemas), now_micros()
        for partition, batch in records.items():
            seen: set[bytes] = set()
            for record in batch:
                outcome = process(record, source, self._rules, now)
                if outcome.silver is None:
                    result.collect(DEAD, partition, [outcome.dead])
                    continue
                event_id = outcome.silver["event_id"]
                if event_id in seen or event_id in known.get(partition, ()):
                    result.collect(DUPLICATES, partition, [event_id])
                    continue
                seen.add(event_id)
                result.collect(SILVER, partition, [outcome.silver])
        return result


if __name__ == "__main__":
    main(PlainRunner)
