"""The record of a run: one JSON line for each acknowledged event, written as soon as its answer is there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from holded_cli.send.answers import Answer
from holded_cli.send.events import Outgoing, type_of

_encode = msgspec.json.Encoder().encode


class Acknowledged(msgspec.Struct):
    """One line: an event of which a 2xx said that it is in Kafka."""

    event_id: str
    batch: int
    """Number of the request in the run, from 0."""
    index: int
    """Place of the event in its request, from 0."""
    type: str | None
    """headers.type"""
    kind: str | None
    """What must become of a generated event: gold, duplicate or dead_letter."""
    sent_at: datetime
    """When the request was sent first: an earlier attempt without an answer may have reached Kafka, too."""
    acked_at: datetime


def acknowledged(
    batch: int, events: Sequence[Outgoing], answer: Answer, sent_at: datetime, acked_at: datetime
) -> Iterator[Acknowledged]:
    """Yield a line for each accepted event of a request."""
    for verdict in answer.results:
        if verdict.status == "accepted" and verdict.event_id is not None:
            payload, kind = events[verdict.index]
            yield Acknowledged(verdict.event_id, batch, verdict.index, type_of(payload), kind, sent_at, acked_at)


class Recorder:
    """Writes lines to a file and hands them to the operating system at once: they outlive a killed process."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(
        self, batch: int, events: Sequence[Outgoing], answer: Answer, sent_at: datetime, acked_at: datetime
    ) -> None:
        """Write the accepted events of an answered request.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        lines = acknowledged(batch, events, answer, sent_at, acked_at)
        self._file.write(b"".join(_encode(line) + b"\n" for line in lines))
        self._file.flush()


@contextmanager
def recording(path: Path | None) -> Iterator[Recorder | None]:
    """Open a new record, in place of an old one of this name; without a path there is none.

    Raises
    ------
    OSError
        If it cannot be written there.
    """
    if path is None:
        yield None
    else:
        with path.open("wb") as file:
            yield Recorder(file)
