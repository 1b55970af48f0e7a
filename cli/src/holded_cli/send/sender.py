"""Posting events: a bounded number of requests at a time, each repeated until it is answered or patience has run out.

Resending is safe: the same bytes are sent again, and copies of an event have one event_id.
"""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import NamedTuple

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from holded_cli.send.answers import Answer, BatchFailedError, RetryLaterError, read_answer
from holded_cli.send.events import Outgoing
from holded_cli.send.record import Recorder
from holded_cli.send.schedule import Schedule
from holded_cli.send.tally import Tally

API_KEY_HEADER = "X-Api-Key"
GRACE_SECONDS = 5.0
"""Time that requests in flight have for their answers after the run was asked to end."""
MIN_WAIT_SECONDS = 0.05
"""Wait before a repetition even where Retry-After is 0."""

_backoff = wait_exponential_jitter(multiplier=0.2, max=5.0)


@dataclass(frozen=True)
class Delivery:
    """How requests are made."""

    concurrency: int = 1
    """Requests at a time; with more than one they overtake one another."""
    compress: bool = False
    patience_seconds: float = 60.0
    """Time from a request's first attempt in which it is repeated."""


@dataclass(frozen=True)
class Target:
    """Where requests go.

    Raises
    ------
    httpx.InvalidURL
        If the base is no URL of HTTP.
    """

    transport: httpx.AsyncBaseTransport
    url: str
    """Base URL of a collector."""
    api_key: str | None = None

    def __post_init__(self) -> None:
        if self.collect.scheme not in {"http", "https"} or not self.collect.host:
            raise httpx.InvalidURL(f"{self.url!r} is no base URL of a collector, like http://127.0.0.1:8000")

    @property
    def collect(self) -> httpx.URL:
        """The URL that takes events."""
        return httpx.URL(f"{self.url.rstrip('/')}/collect")

    @property
    def headers(self) -> dict[str, str]:
        """What every request says."""
        headers = {"Content-Type": "application/json", "User-Agent": "holded-cli"}
        return headers | ({API_KEY_HEADER: self.api_key} if self.api_key else {})


class _Batch(NamedTuple):
    number: int
    events: Sequence[Outgoing]


class _Attempt(NamedTuple):
    """The attempt that was answered."""

    answer: Answer
    began: float


class Sender:
    """Sends one run of events and keeps its tally."""

    def __init__(
        self,
        target: Target,
        schedule: Schedule,
        delivery: Delivery,
        *,
        recorder: Recorder | None = None,
        progress: Callable[[Tally], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`progress` is called with the tally after each answer."""
        self.tally = Tally()
        self._target = target
        self._url = target.collect
        self._schedule = schedule
        self._delivery = delivery
        self._recorder = recorder
        self._progress = progress
        self._sleep = sleep
        self._ending = asyncio.Event()
        self._deadline = asyncio.timeout(None)
        self._start = 0.0
        self._finished = False
        self._headers = target.headers | ({"Content-Encoding": "gzip"} if delivery.compress else {})

    async def run(self, events: Iterable[Outgoing]) -> Tally:
        """Send the events until they or the duration end, something fails, or `stop` is called.

        The tally's `failure` says what failed: a request that cannot be delivered, or a record that cannot be written.
        """
        batches = (_Batch(*item) for item in enumerate(batched(events, self._schedule.batch, strict=False)))
        self._start = time.perf_counter()
        try:
            async with self._deadline, asyncio.TaskGroup() as group:
                for _ in range(self._delivery.concurrency):
                    group.create_task(self._work(batches))
        except TimeoutError:
            pass  # the grace after `stop` has passed; the tally knows the events without an answer
        finally:
            self._finished = True
            self.tally.seconds = self._elapsed()
        return self.tally

    def stop(self) -> None:
        """Start no more requests; those in flight have GRACE_SECONDS, and no time at all after a second call."""
        if self._finished:
            return
        grace = 0.0 if self.tally.interrupted else GRACE_SECONDS
        self.tally.interrupted = True
        self._ending.set()
        self._deadline.reschedule(asyncio.get_running_loop().time() + grace)

    async def _work(self, batches: Iterator[_Batch]) -> None:
        """Send one batch after the other out of those that all workers share."""
        for batch in batches:
            await self._until(self._schedule.due(batch.number))
            if self._ending.is_set() or self._schedule.over(self._elapsed()):
                return
            await self._deliver(batch)

    async def _until(self, due: float) -> None:
        wait = due - self._elapsed()
        if wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._ending.wait()
            except TimeoutError:
                return

    async def _deliver(self, batch: _Batch) -> None:
        started, sent_at = self._elapsed(), datetime.now(UTC)
        lateness = self._schedule.lateness(batch.number, started)
        self.tally.started(len(batch.events), lateness)
        try:
            answer, began = await self._until_answered(batch)
        except (BatchFailedError, RetryLaterError) as error:
            self._fail(batch, error)
            return
        acked, acked_at = self._elapsed(), datetime.now(UTC)
        kinds = [event.kind for event in batch.events]
        self.tally.answered(answer, kinds, latency=acked - began, delay=acked - started + lateness)
        self.tally.seconds = acked
        self._progress(self.tally)
        try:
            if self._recorder is not None:
                self._recorder.write(batch.number, batch.events, answer, sent_at, acked_at)
        except OSError as error:
            self._fail(batch, error)

    def _fail(self, batch: _Batch, error: Exception) -> None:
        """Start no more requests; the first failure is the one that is told."""
        self.tally.failure = self.tally.failure or f"batch {batch.number + 1}: {error}"
        self._ending.set()

    async def _until_answered(self, batch: _Batch) -> _Attempt:
        body = b"[" + b",".join(event.payload for event in batch.events) + b"]"
        content = gzip.compress(body, compresslevel=6, mtime=0) if self._delivery.compress else body

        async def attempt() -> _Attempt:
            began = self._elapsed()
            return _Attempt(read_answer(await self._post(content), len(batch.events)), began)

        return await AsyncRetrying(
            sleep=self._sleep,
            retry=retry_if_exception_type(RetryLaterError),
            wait=_wait_as_told,
            stop=stop_before_delay(self._delivery.patience_seconds),
            before_sleep=self._count_retry,
            reraise=True,
        )(attempt)

    async def _post(self, content: bytes) -> httpx.Response:
        # Without httpx.AsyncClient: its handling of each request costs more than everything else here.
        request = httpx.Request("POST", self._url, headers=self._headers, content=content)
        try:
            response = await self._target.transport.handle_async_request(request)
            await response.aread()
        except httpx.TransportError as error:
            text = f"{self._target.url}: {type(error).__name__}: {error}"
            raise RetryLaterError(text, "connection") from error
        response.request = request
        return response

    def _count_retry(self, state: RetryCallState) -> None:
        error = _error_of(state)
        if error is not None:
            self.tally.retries[error.cause] += 1
            self._progress(self.tally)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._start


def _error_of(state: RetryCallState) -> RetryLaterError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, RetryLaterError) else None


def _wait_as_told(state: RetryCallState) -> float:
    error = _error_of(state)
    told = error.seconds if error is not None else None
    return _backoff(state) if told is None else max(MIN_WAIT_SECONDS, told)
