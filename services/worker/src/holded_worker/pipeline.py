"""The Beam pipeline: one composite for every runner.

An element is a PartitionBatch, a list of records of one partition in the order of their offsets: what Beam costs per
element is then shared by the whole list. A step replaces each record by what it made of it and passes dead letters on
untouched, so all steps fuse into one stage; only the last one splits them into outputs.
Source, deduplication and what becomes of the outputs differ by runner and are given from outside.
"""

import pickle
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import pvalue

from holded_worker.domain.decode import SchemaSource, decode
from holded_worker.domain.process import (
    Rules,
    classify_event,
    dead_letter,
    enrich_event,
    open_event,
    score_event,
    to_silver,
)
from holded_worker.domain.records import DeadLetter, RawRecord, Refusal, SilverRecord

SILVER, DEAD, DUPLICATES = "silver", "dead", "duplicates"
"""Outputs of ProcessEvents, each a PartitionBatch of silver records, dead letters or event ids of duplicates."""


class Silver(NamedTuple):
    """A silver record on its way to the output."""

    record: SilverRecord


class Dead(NamedTuple):
    """A dead letter on its way to the output."""

    letter: DeadLetter


class Duplicate(NamedTuple):
    """An event that was in silver before."""

    event_id: bytes


class PartitionBatch:
    """A raw partition and what became of its records so far. No tuple, so that Beam asks our coder about it."""

    __slots__ = ("items", "partition")

    def __init__(self, partition: int, items: list[Any]) -> None:
        self.partition = partition
        self.items = items

    def __reduce__(self) -> tuple[Any, ...]:
        return PartitionBatch, (self.partition, self.items)

    def map(self, step: Callable[[Any], Any]) -> "PartitionBatch":
        """Return the batch with a step applied to all that is no dead letter yet."""
        return PartitionBatch(self.partition, [item if isinstance(item, Dead) else step(item) for item in self.items])


class PartitionBatchCoder(beam.coders.Coder):
    """Pickles a batch where runners ship it, and guesses its size.

    Beam asks for the size of sampled elements at every step to count bytes, and by default it encodes them to know:
    with whole batches as elements that doubled the cost of the pipeline.
    """

    _BYTES_PER_RECORD = 1_000

    def encode(self, value: Any) -> bytes:
        """Return the batch as bytes."""
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """Return the batch of `encode`."""
        return pickle.loads(encoded)  # noqa: S301 -- from another step of this pipeline, never from outside

    def estimate_size(self, value: Any) -> int:
        """Return a guess in bytes."""
        return self._BYTES_PER_RECORD * len(value.items)

    def is_deterministic(self) -> bool:
        """Tell Beam that batches are no keys."""
        return False


class Decode(beam.DoFn):
    """RawRecord → RawEvent or Dead."""

    def __init__(self, schemas: SchemaSource, rules: Rules) -> None:
        self._schemas = schemas
        self._rules = rules

    def process(self, element: Any) -> Iterator[Any]:
        """Decode a list of RawRecord."""
        yield element.map(partial(self._decoded, now_micros()))

    def _decoded(self, now: int, record: RawRecord) -> Any:
        event = decode(record, self._schemas)
        return Dead(dead_letter(record, event, self._rules, now)) if isinstance(event, Refusal) else event


class Validate(beam.DoFn):
    """RawEvent → Opened or Dead."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def process(self, element: Any) -> Iterator[Any]:
        """Parse, sanitize and validate a list of RawEvent."""
        yield element.map(partial(self._opened, now_micros()))

    def _opened(self, now: int, event: Any) -> Any:
        opened = open_event(event, self._rules)
        return Dead(dead_letter(event, opened, self._rules, now)) if isinstance(opened, Refusal) else opened


class Enrich(beam.DoFn):
    """Opened → Enriched."""

    def process(self, element: Any) -> Iterator[Any]:
        """Enrich a list of Opened."""
        yield element.map(enrich_event)


class Classify(beam.DoFn):
    """Enriched → Classified."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def process(self, element: Any) -> Iterator[Any]:
        """Classify a list of Enriched."""
        yield element.map(partial(classify_event, rules=self._rules))


class Score(beam.DoFn):
    """Classified → Silver or Dead: the score completes the silver record."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def process(self, element: Any) -> Iterator[Any]:
        """Score a list of Classified."""
        yield element.map(partial(self._silver, now_micros()))

    def _silver(self, now: int, classified: Any) -> Any:
        result = to_silver(score_event(classified, self._rules), self._rules, now)
        if isinstance(result, Refusal):
            return Dead(dead_letter(classified.event, result, self._rules, now))
        return Silver(result)


class Route(beam.DoFn):
    """Silver, Dead and Duplicate to their outputs."""

    def process(self, element: Any) -> Iterator[Any]:
        """Split one list into three; an empty one is not put out."""
        partition, items = element.partition, element.items
        silver = [item.record for item in items if isinstance(item, Silver)]
        dead = [item.letter for item in items if isinstance(item, Dead)]
        duplicates = [item.event_id for item in items if isinstance(item, Duplicate)]
        if silver:
            yield PartitionBatch(partition, silver)
        if dead:
            yield pvalue.TaggedOutput(DEAD, PartitionBatch(partition, dead))
        if duplicates:
            yield pvalue.TaggedOutput(DUPLICATES, PartitionBatch(partition, duplicates))


class ProcessEvents(beam.PTransform):
    """Batches of RawRecord to the outputs SILVER, DEAD and DUPLICATES; every record is in exactly one of them.

    `deduplicate` is a DoFn from PartitionBatch to PartitionBatch that replaces each Silver seen before by a Duplicate.
    It stands last: what a record becomes then never depends on how records were cut into batches, and an id counts as
    seen only when it truly reached silver. Dead letters are deduplicated by gold.
    """

    def __init__(self, rules: Rules, *, schemas: SchemaSource, deduplicate: beam.DoFn) -> None:
        super().__init__()
        self._rules = rules
        self._schemas = schemas
        self._deduplicate = deduplicate

    def expand(self, input_or_inputs: Any) -> Any:
        """Build the steps."""
        route = beam.ParDo(Route()).with_output_types(
            PartitionBatch, **{DEAD: PartitionBatch, DUPLICATES: PartitionBatch}
        )
        return (
            input_or_inputs
            | "Decode" >> batches(Decode(self._schemas, self._rules))
            | "Validate" >> batches(Validate(self._rules))
            | "Enrich" >> batches(Enrich())
            | "Classify" >> batches(Classify(self._rules))
            | "Score" >> batches(Score(self._rules))
            | "Deduplicate" >> batches(self._deduplicate)
            | "Route" >> route.with_outputs(DEAD, DUPLICATES, main=SILVER)
        )


def batches(function: beam.DoFn) -> beam.PTransform:
    """Return a step that puts out PartitionBatch, coded by our coder."""
    beam.coders.registry.register_coder(PartitionBatch, PartitionBatchCoder)
    return beam.ParDo(function).with_output_types(PartitionBatch)


def build_pipeline(pipeline: beam.Pipeline, source: beam.PTransform, process: ProcessEvents, output: Any) -> None:
    """Put a runner's source and output around ProcessEvents.

    `output` makes the transform that takes one of the outputs, by its name.
    """
    outputs = pipeline | "Read" >> source | "ProcessEvents" >> process
    for name in (SILVER, DEAD, DUPLICATES):
        _ = outputs[name] | f"Write {name}" >> output(name)


def now_micros() -> int:
    """Return the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1000
