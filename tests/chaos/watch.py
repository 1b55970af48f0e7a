"""Whether events flow from the acknowledgement to gold, and how long each takes."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import batched
from types import TracebackType
from typing import Self

import pymysql

from holded_contracts.settings import MySQLSettings
from tests.chaos.traffic import Notebook
from tests.support.waiting import wait_until

PROMPT_SECONDS = 10.0
"""An event is late when it is not in gold so long after its acknowledgement; traffic stands still when none comes."""
CALM_SECONDS = 10.0
"""Events flow again when they have done so for this long."""
_EVERY_SECONDS = 0.5
_PER_QUERY = 1000


@dataclass(frozen=True)
class Sample:
    """One look."""

    at: float
    """time.monotonic()"""
    flows: bool
    waiting: int
    """Acknowledged events that are not in gold yet."""


class Watch:
    """Asks gold for every acknowledged event until it has come, on a thread while its context is open."""

    def __init__(self, gold: Callable[[], MySQLSettings], notebook: Notebook, *, every: float = _EVERY_SECONDS) -> None:
        """`gold` is asked at each connect: credentials may have been rotated. `every`: seconds between looks."""
        self.samples: list[Sample] = []
        self.latencies: list[tuple[float, float]] = []
        """When an event was seen in gold (time.monotonic) and seconds since its acknowledgement, late by one look at most."""
        self._every = every
        self._gold = gold
        self._notebook = notebook
        self._read = 0
        self._pending: dict[str, float] = {}
        self._stop = threading.Event()
        self._connection: pymysql.connections.Connection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)

    def calm_since(self, moment: float) -> float | None:
        """Return since when, not before `moment`, events have flowed without a break; None when not for long enough."""
        since: float | None = None
        for sample in list(self.samples):
            if sample.at >= moment:
                since = (since or sample.at) if sample.flows else None
        return since if since is not None and time.monotonic() - since >= CALM_SECONDS else None

    def wait_calm(self, moment: float, *, timeout: float) -> float:
        """Wait until events flow again; return how many seconds after `moment` that began.

        A break that begins after `moment` counts as part of the same fault.
        """
        since = wait_until(
            lambda: self.calm_since(moment), timeout=timeout, interval=_EVERY_SECONDS, what="events flow to gold again"
        )
        assert since is not None
        return max(0.0, since - moment - _EVERY_SECONDS)

    def wait_empty(self, *, timeout: float) -> int:
        """Wait until every event is in gold whose traffic has stopped; return how many are not after `timeout` seconds."""
        with contextlib.suppress(AssertionError):
            wait_until(
                lambda: self._read == len(self._notebook.acknowledged) and not self._pending,
                timeout=timeout,
                interval=self._every,
                what="every event is in gold",
            )
        return len(self._notebook.acknowledged) - self._read + len(self._pending)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._look()
            except pymysql.Error:
                self._connection = None
                self.samples.append(Sample(time.monotonic(), flows=False, waiting=len(self._pending)))
        if self._connection is not None:
            with contextlib.suppress(pymysql.Error):
                self._connection.close()

    def _look(self) -> None:
        known = len(self._notebook.acknowledged)
        for at, event in self._notebook.acknowledged[self._read : known]:
            self._pending.setdefault(event, at)
        self._read = known
        for some in batched(list(self._pending), _PER_QUERY, strict=False):
            found = self._arrived(some)
            now = time.monotonic()
            self.latencies += [(now, now - self._pending.pop(event)) for event in found]
        now = time.monotonic()
        oldest = min(self._pending.values(), default=now)
        latest = self._notebook.acknowledged[-1][0] if known else 0.0
        flows = now - oldest < PROMPT_SECONDS and now - latest < PROMPT_SECONDS
        self.samples.append(Sample(now, flows, len(self._pending)))

    def _arrived(self, events: Sequence[str]) -> list[str]:
        if self._connection is None:
            gold = self._gold()
            self._connection = pymysql.connect(
                host=gold.host,
                port=gold.port,
                user=gold.username,
                password=gold.password.get_secret_value(),
                database=gold.database,
                autocommit=True,
                connect_timeout=3,
                read_timeout=5,
            )
        places = ", ".join(["UUID_TO_BIN(%s)"] * len(events))
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT BIN_TO_UUID(event_id) FROM event_ids WHERE event_id IN ({places})", events)
            return [row[0] for row in cursor.fetchall()]
