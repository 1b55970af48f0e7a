"""Send a JSON array of events to the collector in batches and account for every answer.

Events travel byte for byte as they stand in the file: they are cut out of the array, never parsed and written again.
"""

import gzip
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import batched
from typing import Any

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential_jitter

API_KEY_HEADER = "X-Api-Key"
MAX_ATTEMPTS = 30
"""Requests made for one batch, whatever the patience."""

_ANSWERS = frozenset({httpx.codes.ACCEPTED, httpx.codes.MULTI_STATUS, httpx.codes.UNPROCESSABLE_ENTITY})
_LATER = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
_backoff = wait_exponential_jitter(multiplier=0.2, max=10.0)


class InputError(Exception):
    """The file is not a JSON array."""


class BatchFailedError(Exception):
    """A batch got no answer for its events; the sentence says which answer it got instead."""


class RetryLaterError(Exception):
    """The collector cannot take events now, or cannot be reached; `seconds` is its Retry-After where it sent one."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass
class Tally:
    """What became of the events sent so far."""

    events: int = 0
    """Events in answered batches."""
    batches: int = 0
    accepted: int = 0
    rejected: int = 0
    rejected_by_field: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    """Requests repeated after 429, 503 or a lost connection."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from request to answer, one per answered batch; waiting before a retry is not in it."""
    seconds: float = 0.0
    """Time from the first request to the last answer."""
    failure: str | None = None
    """Why sending ended early; None when every batch was answered."""

    def add(self, answer: dict[str, Any], seconds: float) -> None:
        """Count one answered batch."""
        self.batches += 1
        self.accepted += answer["accepted"]
        self.rejected += answer["rejected"]
        self.events += answer["accepted"] + answer["rejected"]
        self.rejected_by_field.update(rejected_fields(answer["results"]))
        self.latencies.append(seconds)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers for `--json`; latencies in milliseconds."""
        return {
            "events": self.events,
            "batches": self.batches,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "rejected_by_field": dict(sorted(self.rejected_by_field.items())),
            "retries": self.retries,
            "latency_ms": {"p50": _ms(self.latencies, 0.50), "p99": _ms(self.latencies, 0.99)},
            "seconds": round(self.seconds, 3),
            "failure": self.failure,
        }


def split_array(document: bytes) -> list[bytes]:
    """Return the elements of a JSON array, each with the bytes it has in the document.

    Raises
    ------
    InputError
        If the document is not a JSON array.
    """
    try:
        return [bytes(element) for element in msgspec.json.decode(document, type=list[msgspec.Raw])]
    except msgspec.DecodeError as error:
        raise InputError(f"expected a JSON array of events: {error}") from error


def rejected_fields(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the fields that caused each rejection: an event with two wrong fields counts for both.

    A fault of the whole event, which has no field, is `event`.
    """
    for result in results:
        if result["status"] == "rejected":
            yield from {error["field"] or "event" for error in result["errors"]}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed (nearest rank).

    Raises
    ------
    ValueError
        If there are no values.
    """
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Return the wait a Retry-After header asks for, in seconds; None when it has no usable value."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


class Sender:
    """Posts batches, each until it is answered or patience has run out. Resending is safe: copies have one event_id."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        compress: bool = False,
        patience_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._compress = compress
        self._retrying = Retrying(
            retry=retry_if_exception_type(RetryLaterError),
            wait=_wait_as_told,
            stop=stop_before_delay(patience_seconds) | stop_after_attempt(MAX_ATTEMPTS),
            sleep=sleep,
            reraise=True,
        )

    def send(self, events: Sequence[bytes], batch: int, progress: Callable[[int], None] = lambda _: None) -> Tally:
        """Send all events, `batch` a request, and stop at the first batch that cannot be delivered.

        `progress` is called with the number of events of each answered batch.
        """
        tally = Tally()
        start = time.perf_counter()
        try:
            for chunk in batched(events, batch, strict=False):
                self._send_batch(b"[" + b",".join(chunk) + b"]", tally)
                progress(len(chunk))
        except (BatchFailedError, RetryLaterError) as error:
            tally.failure = f"batch {tally.batches + 1}: {error}"
        tally.seconds = time.perf_counter() - start
        return tally

    def _send_batch(self, body: bytes, tally: Tally) -> None:
        content = gzip.compress(body, compresslevel=6) if self._compress else body
        for attempt in self._retrying.copy():
            with attempt:
                tally.retries += attempt.retry_state.attempt_number > 1
                start = time.perf_counter()
                answer = self._post(content)
                tally.add(answer, time.perf_counter() - start)

    def _post(self, content: bytes) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if self._compress else {})
        try:
            response = self._client.post("/collect", content=content, headers=headers)
        except httpx.TransportError as error:
            raise RetryLaterError(f"{self._client.base_url}: {type(error).__name__}: {error}") from error
        if response.status_code in _LATER:
            wait = retry_after_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
            raise RetryLaterError(_describe(response), wait)
        if response.status_code not in _ANSWERS:
            raise BatchFailedError(_describe(response))
        answer: dict[str, Any] = response.json()
        return answer


def open_client(url: str, api_key: str | None) -> httpx.Client:
    """Return a client for the collector at this base URL."""
    return httpx.Client(base_url=url, headers={API_KEY_HEADER: api_key} if api_key else {}, timeout=60.0)


def _wait_as_told(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RetryLaterError) and error.seconds is not None:
        return error.seconds
    return _backoff(state)


def _describe(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:300].strip()}"


def _ms(latencies: Sequence[float], share: float) -> float | None:
    return round(percentile(latencies, share) * 1000, 2) if latencies else None
