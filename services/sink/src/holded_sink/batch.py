"""The records of one transaction and where they come from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from holded_contracts.reasons import DeadLetterReason
from holded_contracts.topics import Artefact


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One partition of one input topic; ordered so that all sinks lock offsets in one order."""

    topic_id: str
    """Kafka's id of the topic: one that was deleted and made again has another and starts at offset 0."""
    partition: int
    topic: str
    artefact: Artefact


@dataclass(frozen=True, slots=True)
class Position:
    """What MySQL says about a source."""

    next_offset: int
    """First offset not yet stored."""
    counted_offset: int
    """First offset not yet counted; ahead of next_offset only while somebody replays."""


class Record(NamedTuple):
    """One Kafka record; a tuple, because there is one for each."""

    source: Source
    offset: int
    key: bytes | None
    value: bytes | None


def runs(records: Iterable[Record]) -> Iterator[tuple[Source, list[Record]]]:
    """Iterate over neighbours of one source: looking something up per run is cheaper than per record."""
    for source, run in groupby(records, key=lambda record: record.source):
        yield source, list(run)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one record cannot become a row."""

    reason: DeadLetterReason
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record and its fields, or the reason why it has none."""

    record: Record
    fields: dict[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded records in the order of their offsets per source, and the stored positions they continue from."""

    records: Sequence[Decoded]
    expected: Mapping[Source, Position]

    def next_positions(self) -> dict[Source, Position]:
        """Return the positions after this batch."""
        after: dict[Source, Position] = {}
        for source, run in runs(item.record for item in self.records):
            following = run[-1].offset + 1
            after[source] = Position(following, max(following, self.expected[source].counted_offset))
        return after

    def is_counted(self, record: Record) -> bool:
        """Return whether a record is in the counters already, because somebody replays the topic."""
        return record.offset < self.expected[record.source].counted_offset
