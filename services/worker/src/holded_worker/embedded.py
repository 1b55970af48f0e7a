"""The embedded runner: ProcessEvents as a bounded job over each micro-batch, in this process.

Building a pipeline costs four times as much as running one over a small batch, so its proto is built once and run again
and again on Beam's in-process portable runner. Records enter and leave through this module's memory instead of Create
and a sink, which would encode each of them. All of it is fast because everything fuses into one stage.
"""

from collections.abc import Container, Iterator, Mapping
from itertools import chain, count
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

from holded_contracts.reasons import DeadLetterReason
from holded_worker.domain.process import Rules
from holded_worker.domain.records import DeadLetter, RawRecord, SilverRecord
from holded_worker.pipeline import (
    DEAD,
    DUPLICATES,
    SILVER,
    Duplicate,
    PartitionBatch,
    ProcessEvents,
    Silver,
    batches,
    build_pipeline,
    once,
)

PIECE = 128
"""Records of an element. What a step makes of a piece is still in the processor's cache when the next step takes it."""

type Schemas = Mapping[int, Any]
"""Writer schemas by id; an id that is missing or None is no schema of the registry."""


class BatchResult:
    """What became of a batch, by raw partition."""

    def __init__(self) -> None:
        self.silver: dict[int, list[SilverRecord]] = {}
        self.dead: dict[int, list[DeadLetter]] = {}
        self.duplicates: dict[int, list[Duplicate]] = {}

    def collect(self, output: str, partition: int, items: list[Any]) -> None:
        """Take a list from one of the pipeline's outputs."""
        kept: dict[str, dict[int, list[Any]]] = {SILVER: self.silver, DEAD: self.dead, DUPLICATES: self.duplicates}
        kept[output].setdefault(partition, []).extend(items)

    def count(self, partition: int) -> int:
        """Return how many records of a partition are in the result."""
        return sum(len(kept.get(partition, ())) for kept in (self.silver, self.dead, self.duplicates))

    @property
    def unforeseen(self) -> int:
        """Number of records on which a step failed in a way that nobody foresaw."""
        letters = chain.from_iterable(self.dead.values())
        return sum(letter["reason"] == DeadLetterReason.PROCESSING_ERROR for letter in letters)


class _Run:
    """What one run of the pipeline reads and writes."""

    def __init__(
        self, records: Mapping[int, list[RawRecord]], known: Mapping[int, Container[bytes]], schemas: Schemas
    ) -> None:
        self.records = records
        self.known = known
        self.schemas = schemas
        self.seen: dict[int, set[bytes]] = {}
        """Event ids of this run, by partition."""
        self.result = BatchResult()


_RUNS: dict[int, _Run] = {}
"""The current run of each runner: DoFns are pickled, so they find it here by their runner's number."""
_NUMBERS = count()


class _Feed(beam.DoFn):
    def __init__(self, runner: int) -> None:
        self._runner = runner

    def process(self, element: Any) -> Iterator[Any]:
        """Ignore the impulse and put out each partition's records in pieces."""
        del element
        for partition, records in _RUNS[self._runner].records.items():
            for start in range(0, len(records), PIECE):
                yield PartitionBatch(partition, records[start : start + PIECE])


class _ReadFeed(beam.PTransform):
    def __init__(self, runner: int) -> None:
        super().__init__()
        self._runner = runner

    def expand(self, input_or_inputs: Any) -> Any:
        return input_or_inputs | beam.Impulse() | batches(_Feed(self._runner))


class _DropKnown(beam.DoFn):
    """Deduplicate against the index of a partition, and within the batch.

    The index itself is not touched: the ids of this batch count only once its transaction has been committed.
    """

    def __init__(self, runner: int) -> None:
        self._runner = runner

    def process(self, element: Any) -> Iterator[Any]:
        run = _RUNS[self._runner]
        known = run.known.get(element.partition)
        if known is None:
            yield element
            return
        seen = run.seen.setdefault(element.partition, set())
        yield element.of([once(item, known, seen) if isinstance(item, Silver) else item for item in element.items])


class _Collect(beam.DoFn):
    def __init__(self, runner: int, output: str) -> None:
        self._runner = runner
        self._output = output

    def process(self, element: Any) -> None:
        """Keep the element for the caller of `run`."""
        _RUNS[self._runner].result.collect(self._output, element.partition, element.items)


class _RunSchemas:
    def __init__(self, runner: int) -> None:
        self._runner = runner

    def writer_schema(self, schema_id: int) -> Any | None:
        """Return the schema that the caller of `run` has looked up."""
        return _RUNS[self._runner].schemas.get(schema_id)


class EmbeddedRunner:
    """Runs ProcessEvents over micro-batches. Not to be constructed or run while a module is being imported."""

    def __init__(self, rules: Rules) -> None:
        self._number = next(_NUMBERS)
        # The runner is named: plain DirectRunner would try to download another one.
        self._options = PipelineOptions(["--direct_running_mode=in_memory"])
        self._runner = FnApiRunner()
        pipeline = beam.Pipeline(runner=self._runner, options=self._options)
        build_pipeline(
            pipeline,
            _ReadFeed(self._number),
            ProcessEvents(rules, schemas=_RunSchemas(self._number), deduplicate=batches(_DropKnown(self._number))),
            lambda output: beam.ParDo(_Collect(self._number, output)),
        )
        self._proto = pipeline.to_runner_api(default_environment=EmbeddedPythonEnvironment.default())

    def run(
        self, records: Mapping[int, list[RawRecord]], known: Mapping[int, Container[bytes]], schemas: Schemas
    ) -> BatchResult:
        """Process the records of each partition, in the order given.

        `known` holds the event ids that are in silver; a partition without an entry is not deduplicated. Nothing given
        is changed, so a batch can be run again.
        """
        run = _RUNS[self._number] = _Run(records, known, schemas)
        try:
            self._runner.run_via_runner_api(self._proto, self._options).wait_until_finish()
        finally:
            del _RUNS[self._number]
        return run.result
