"""From a decoded batch to everything one transaction writes: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holded_contracts.canary import is_canary
from holded_contracts.reasons import DeadLetterReason, Stage
from holded_contracts.topics import Artefact
from holded_sink.aggregation import Entry, Increment
from holded_sink.batch import Batch, Decoded, Record, Refusal, Source
from holded_sink.canary import Canary, canary_of
from holded_sink.rendering import Text, render
from holded_sink.rows import (
    EventRow,
    LetterRow,
    RefusedFieldError,
    entry,
    event_row,
    increment,
    letter_row,
    refused_row,
)

type Place = tuple[Source, int]
"""Source and offset of a record."""


@dataclass(slots=True)
class Counts:
    """What became of the records of one source; only records that were not counted before."""

    inserted: int = 0
    duplicates: int = 0
    dead: int = 0
    canaries: int = 0


@dataclass(slots=True)
class Prepared:
    """What a transaction writes, before MySQL has said which identities it knows."""

    batch: Batch
    events: list[EventRow] = field(default_factory=list)
    letters: list[LetterRow] = field(default_factory=list)
    repeated: list[Place] = field(default_factory=list)
    """Records whose identity another record of the same batch has."""
    increments: list[tuple[Source, Increment]] = field(default_factory=list)
    entries: list[tuple[Source, Entry]] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    """Those that were not counted before; nothing else here is about them."""
    text: Text = field(default_factory=lambda: render((), ()))
    """Of events and letters, as if gold knew none of them: the usual case."""


class _Preparation:
    """Sorts records into the parts of a `Prepared`; the first record with an identity wins."""

    def __init__(self, batch: Batch, now: datetime, pipeline_version: str) -> None:
        self.result = Prepared(batch)
        self._seen: set[bytes] = set()
        self._now = now
        self._version = pipeline_version

    def add(self, item: Decoded) -> None:
        """Take one record that decoded well."""
        record, fields = item.record, item.fields
        match record.source.artefact:
            case Artefact.SILVER:
                row = event_row(record, fields)
                if self._is_new(row.identity, record):
                    self.result.events.append(row)
            case Artefact.DEAD_LETTER:
                self._add_letter(letter_row(record, fields, self._now), record)
            case Artefact.ANALYTICS:
                increased = increment(fields)
                if not self.result.batch.is_counted(record):
                    self.result.increments.append((record.source, increased))
            case _:
                recorded = entry(fields)
                if not self.result.batch.is_counted(record):
                    self.result.entries.append((record.source, recorded))

    def refuse(self, item: Decoded, refusal: Refusal) -> None:
        """Make a dead letter of one record."""
        row = refused_row(
            item.record,
            item.fields,
            refusal,
            stage=Stage.SINK.value,
            now=self._now,
            pipeline_version=self._version,
        )
        self._add_letter(row, item.record)

    def add_canary(self, item: Decoded, *, refused: bool) -> None:
        """Take one canary, which becomes neither row nor dead letter."""
        if not self.result.batch.is_counted(item.record):
            self.result.canaries.append(canary_of(item, refused=refused))

    def _add_letter(self, row: LetterRow, record: Record) -> None:
        if self._is_new(row.identity, record):
            self.result.letters.append(row)

    def _is_new(self, identity: bytes, record: Record) -> bool:
        if identity in self._seen:
            self.result.repeated.append((record.source, record.offset))
            return False
        self._seen.add(identity)
        return True


def prepare(batch: Batch, *, refused: Mapping[Place, str], now: datetime, pipeline_version: str) -> Prepared:
    """Return what a transaction writes for a batch.

    `refused` has MySQL's words for records whose content it did not take; they, records that could not be decoded and
    records with a value that no column holds become dead letters of this stage. `now` is UTC without a zone.
    """
    preparation = _Preparation(batch, now, pipeline_version)
    for item in batch.records:
        said = refused.get((item.record.source, item.record.offset))
        if is_canary(item.fields.get("source")):
            preparation.add_canary(item, refused=said is not None or item.refusal is not None)
        elif said is not None:
            preparation.refuse(item, Refusal(DeadLetterReason.STORAGE_REFUSED, said))
        elif item.refusal is not None:
            preparation.refuse(item, item.refusal)
        else:
            try:
                preparation.add(item)
            except RefusedFieldError as error:
                preparation.refuse(item, Refusal(DeadLetterReason.STORAGE_REFUSED, str(error)))
    prepared = preparation.result
    # Key order: neighbours in the B-trees are written together, and two sinks lock in the same order.
    prepared.events.sort(key=lambda row: (row.event_date, row.identity))
    prepared.letters.sort(key=lambda row: row.identity)
    prepared.text = render(prepared.events, prepared.letters)
    return prepared


def count(prepared: Prepared, known: set[bytes]) -> dict[Source, Counts]:
    """Return what becomes of each source's records, given the identities that gold had before."""
    batch = prepared.batch
    counts = {source: Counts() for source in batch.expected}

    def counted(source: Source, offset: int) -> bool:
        return offset < batch.expected[source].counted_offset

    for event in prepared.events:
        if not counted(event.source, event.offset):
            _tally(counts[event.source], known=event.identity in known, dead=False)
    for letter in prepared.letters:
        if not counted(letter.source, letter.offset):
            _tally(counts[letter.source], known=letter.identity in known, dead=letter.made_here)
    for source, offset in prepared.repeated:
        if not counted(source, offset):
            counts[source].duplicates += 1
    for source, _ in [*prepared.increments, *prepared.entries]:
        counts[source].inserted += 1
    for canary in prepared.canaries:
        counts[canary.source].canaries += 1
    return counts


def _tally(counts: Counts, *, known: bool, dead: bool) -> None:
    if known:
        counts.duplicates += 1
    elif dead:
        counts.dead += 1
    else:
        counts.inserted += 1
