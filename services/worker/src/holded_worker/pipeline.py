"""The Beam pipeline: one composite for every runner.

An element is a PartitionBatch, a list of records of one partition in the order of their offsets: what Beam costs per
element is then shared by the whole list. A step replaces each record by what it made of it and passes dead letters on
untouched, so all steps fuse into one stage; only the last one splits them into outputs.
Source, deduplication and what becomes of the outputs differ by runner and are given from outside.
"""

import pickle
import time
from collections.abc import Callable, Container, Iterator
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import structlog
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
    unforeseen,
)
from holded_worker.domain.records import DeadLetter, RawEvent, RawRecord, Refusal, SilverRecord

log = structlog.get_logger()

SILVER, DEAD, DUPLICATES = "silver", "dead", "duplicates"
"""Outputs of ProcessEvents, each a PartitionBatch of silver records, dead letters or Duplicate."""


class Silver(NamedTuple):
    """A silver record on its way to the output."""

    record: SilverRecord


class Dead(NamedTuple):
    """A dead letter on its way to the output."""

    letter: DeadLetter


class Duplicate(NamedTuple):
    """An event that was in silver before."""

    event_id: bytes
    offset: int

    @classmethod
    def of(cls, item: Silver) -> "Duplicate":
        """Return what stands for a silver record that is one too many."""
        return cls(item.record["event_id"], item.record["raw_offset"])


class Origin(NamedTuple):
    """Where a batch was read, for runners whose output edge is far from their source."""

    start: int
    """Offset from which on records were looked for: all before it are in earlier batches."""
    records: int
    """How many were found."""
    read_at: int
    """When, in nanoseconds; tells two reads of the same records apart."""


class PartitionBatch:
    """A raw partition and what became of its records so far. No tuple, so that Beam asks our coder about it."""

    __slots__ = ("items", "origin", "partition")

    def __init__(self, partition: int, items: list[Any], origin: Origin | None = None) -> None:
        self.partition = partition
        self.items = items
        self.origin = origin

    def __reduce__(self) -> tuple[Any, ...]:
        return PartitionBatch, (self.partition, self.items, self.origin)

    def of(self, items: list[Any]) -> "PartitionBatch":
        """Return a batch of the same place with other items."""
        return PartitionBatch(self.partition, items, self.origin)

    def map(self, step: Callable[[Any], Any], rescue: Callable[[Any, Exception], Any]) -> "PartitionBatch":
        """Return the batch with a step applied to all that is no dead letter yet.

        Where that fails, each item is tried alone, and `rescue` says what becomes of those that the step fails on.
        """
        try:
            items = [item if isinstance(item, Dead) else step(item) for item in self.items]
        except MemoryError:
            raise  # of the process, not of an event
        except Exception:  # noqa: BLE001 -- a bug may raise anything
            items = [item if isinstance(item, Dead) else _alone(step, item, rescue) for item in self.items]
        return self.of(items)


def _alone(step: Callable[[Any], Any], item: Any, rescue: Callable[[Any, Exception], Any]) -> Any:
    try:
        return step(item)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- a bug may raise anything
        return rescue(item, error)


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


class Step(beam.DoFn):
    """One step of every record; what it fails on unexpectedly becomes a dead letter, and the others go on."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def apply(self, now: int, item: Any) -> Any:
        """Return what the step makes of an item; `now` in microseconds."""
        raise NotImplementedError

    def process(self, element: Any) -> Iterator[Any]:
        """Take a PartitionBatch one step further."""
        now = now_micros()
        yield element.map(partial(self.apply, now), partial(self._rescue, now))

    def _refused(self, now: int, source: RawRecord | RawEvent, refusal: Refusal) -> Dead:
        return Dead(dead_letter(source, refusal, self._rules, now))

    def _rescue(self, now: int, item: Any, error: Exception) -> Dead:
        source = item if isinstance(item, (RawRecord, RawEvent)) else item.event
        step = type(self).__name__
        place = f"{source.topic}/{source.partition}/{source.offset}"
        log.error("a step failed on a record", step=step, record=place, exc_info=error)
        return self._refused(now, source, unforeseen(source, step, error))


class Decode(Step):
    """RawRecord → RawEvent or Dead."""

    def __init__(self, schemas: SchemaSource, rules: Rules) -> None:
        super().__init__(rules)
        self._schemas = schemas

    def apply(self, now: int, item: Any) -> Any:
        """Decode a RawRecord."""
        event = decode(item, self._schemas)
        return self._refused(now, item, event) if isinstance(event, Refusal) else event


class Validate(Step):
    """RawEvent → Opened or Dead."""

    def apply(self, now: int, item: Any) -> Any:
        """Parse, sanitize and validate a RawEvent."""
        opened = open_event(item, self._rules)
        return self._refused(now, item, opened) if isinstance(opened, Refusal) else opened


class Enrich(Step):
    """Opened → Enriched."""

    def apply(self, now: int, item: Any) -> Any:
        """Enrich an Opened."""
        del now
        return enrich_event(item)


class Classify(Step):
    """Enriched → Classified."""

    def apply(self, now: int, item: Any) -> Any:
        """Classify an Enriched."""
        del now
        return classify_event(item, self._rules)


class Score(Step):
    """Classified → Silver or Dead: the score completes the silver record."""

    def apply(self, now: int, item: Any) -> Any:
        """Score a Classified."""
        result = to_silver(score_event(item, self._rules), self._rules, now)
        return self._refused(now, item.event, result) if isinstance(result, Refusal) else Silver(result)


class Route(beam.DoFn):
    """Silver, Dead and Duplicate to their outputs."""

    def process(self, element: Any) -> Iterator[Any]:
        """Split one list into three; an empty one is not put out."""
        items = element.items
        silver = [item.record for item in items if isinstance(item, Silver)]
        dead = [item.letter for item in items if isinstance(item, Dead)]
        duplicates = [item for item in items if isinstance(item, Duplicate)]
        if silver:
            yield element.of(silver)
        if dead:
            yield pvalue.TaggedOutput(DEAD, element.of(dead))
        if duplicates:
            yield pvalue.TaggedOutput(DUPLICATES, element.of(duplicates))


class ProcessEvents(beam.PTransform):
    """Batches of RawRecord to the outputs SILVER, DEAD and DUPLICATES; every record is in exactly one of them.

    `deduplicate` takes PartitionBatch to PartitionBatch and replaces each Silver seen before by a Duplicate.
    It stands last: what a record becomes then never depends on how records were cut into batches, and an id counts as
    seen only when it truly reached silver. Dead letters are deduplicated by gold.
    """

    def __init__(self, rules: Rules, *, schemas: SchemaSource, deduplicate: beam.PTransform) -> None:
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
            | "Enrich" >> batches(Enrich(self._rules))
            | "Classify" >> batches(Classify(self._rules))
            | "Score" >> batches(Score(self._rules))
            | "Deduplicate" >> self._deduplicate
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


def once(item: Silver, known: Container[bytes], seen: set[bytes]) -> Silver | Duplicate:
    """Return an item that is in neither of the two, and put it into `seen`; a duplicate in place of one that is."""
    event_id = item.record["event_id"]
    if event_id in seen or event_id in known:
        return Duplicate.of(item)
    seen.add(event_id)
    return item


def now_micros() -> int:
    """Return the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1000
