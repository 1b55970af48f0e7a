"""Events at a steady rate, each acknowledgement written down: what the guarantees are about.

Sent by the library of `holded send` to a node's port, so that no port-forward dies with a pod; requests are repeated for
as long as a fault lasts.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from holded_cli.samples import Kind
from holded_cli.send.answers import Answer
from holded_cli.send.events import Generator, Outgoing
from holded_cli.send.mixture import Shares
from holded_cli.send.record import Recorder
from holded_cli.send.schedule import Schedule
from holded_cli.send.sender import Delivery, Sender, Target
from holded_cli.send.tally import Tally
from holded_cli.send.transport import AiohttpTransport

PATIENCE_SECONDS = 600.0
"""Longer than any fault: a run must not end because of one."""


@dataclass(frozen=True)
class Load:
    """What is sent."""

    rate: float = 100.0
    """Events a second."""
    batch: int = 10
    """Events in a request."""
    shares: Shares = field(default_factory=lambda: Shares.of(duplicates=0.02, dead_letters=0.01))
    change: Callable[[bytes], bytes] = bytes
    """Makes the event that is sent of a generated one."""


class Sent(NamedTuple):
    """One acknowledgement."""

    payload: bytes
    kind: Kind | None


_SENT = {kind: Sent(b"", kind) for kind in (None, *Kind)}


class Notebook(Recorder):
    """The record of a run, in its file and in memory."""

    def __init__(self, file: IO[bytes], *, payloads: bool = True) -> None:
        """Without payloads an hour of events fits into memory, and rows cannot be compared with a reference."""
        super().__init__(file)
        self._payloads = payloads
        self.sent: dict[str, list[Sent]] = {}
        """By event id; duplicates have several entries."""
        self.acknowledged: list[tuple[float, str]] = []
        """Time (time.monotonic) and event id of each acknowledgement, in their order; only ever appended to."""

    def write(
        self, batch: int, events: Sequence[Outgoing], answer: Answer, sent_at: datetime, acked_at: datetime
    ) -> None:
        """Write the accepted events of an answered request."""
        super().write(batch, events, answer, sent_at, acked_at)
        now = time.monotonic()
        for verdict in answer.results:
            if verdict.event_id is not None and verdict.status == "accepted":
                self.sent.setdefault(verdict.event_id, []).append(self._entry(events[verdict.index]))
                self.acknowledged.append((now, verdict.event_id))

    def _entry(self, event: Outgoing) -> Sent:
        return Sent(*event) if self._payloads else _SENT[event.kind]

    def ids(self, *, dead: bool) -> set[str]:
        """Return the events that must become dead letters, or those that must become rows."""
        return {event for event, copies in self.sent.items() if any(c.kind is Kind.DEAD_LETTER for c in copies) is dead}


class Traffic:
    """Sends on a thread while its context is open."""

    def __init__(self, url: str, load: Load, record: Path, *, payloads: bool = True) -> None:
        self._file = record.open("wb")
        self.notebook = Notebook(self._file, payloads=payloads)
        self._load = load
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._sender: Sender | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._file.close()

    @property
    def tally(self) -> Tally:
        """What became of the requests so far."""
        if self._sender is None:
            raise RuntimeError("enter the traffic first")
        return self._sender.tally

    def stop(self) -> None:
        """Start no more requests; those in flight have a few seconds, and count for nothing without an answer."""
        if self._thread.is_alive() and self._sender is not None:
            self._loop.call_soon_threadsafe(self._sender.stop)
            self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._send())

    async def _send(self) -> None:
        delivery = Delivery(concurrency=16, patience_seconds=PATIENCE_SECONDS)
        target = Target(AiohttpTransport(delivery.concurrency), self._url)
        schedule = Schedule(self._load.batch, self._load.rate)
        async with target.transport:
            self._sender = Sender(target, schedule, delivery, recorder=self.notebook)
            self._started.set()
            await self._sender.run(self._events())

    def _events(self) -> Iterator[Outgoing]:
        for payload, kind in Generator(secrets.randbits(48)).events(self._load.shares, None):
            yield Outgoing(self._load.change(payload), kind)
