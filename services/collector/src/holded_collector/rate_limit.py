"""How fast each key may send: a token bucket per source, an event a token."""

import time
from collections.abc import Callable

from holded_collector.refusal import Refusal
from holded_contracts.settings import RateLimit


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class RateLimiter:
    """Buckets by source; in open mode the one source is None.

    A request is let in while its bucket holds anything, and then takes a token for each of its events even if that
    leaves a debt: a request with more events than `burst` must be possible, and it is paid for before the next one.
    What a source sends can so exceed its rate and burst by one request, never by more.
    """

    def __init__(self, limit: RateLimit | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._buckets: dict[str | None, _Bucket] = {}

    def check(self, source: str | None) -> None:
        """Refuse a source that is in debt, before anything of its request has been read.

        Raises
        ------
        Refusal
            429 with the time after which the debt is paid.
        """
        if self._limit is not None:
            self._refuse_debt(self._bucket(source, self._limit), self._limit)

    def take(self, source: str | None, events: int) -> None:
        """Take a token for each event.

        Raises
        ------
        Refusal
            429 if another request of the source has put it into debt since `check`; nothing is taken then.
        """
        if self._limit is not None:
            bucket = self._bucket(source, self._limit)
            self._refuse_debt(bucket, self._limit)
            bucket.tokens -= events

    def give_back(self, source: str | None, events: int) -> None:
        """Undo a `take` whose events Kafka did not confirm: sending them again must not cost twice."""
        if self._limit is not None:
            bucket = self._bucket(source, self._limit)
            bucket.tokens = min(self._limit.burst, bucket.tokens + events)

    def _bucket(self, source: str | None, limit: RateLimit) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(source)
        if bucket is None:
            # Sources are names in a Secret: there are never so many of them that old ones had to go.
            bucket = self._buckets[source] = _Bucket(limit.burst, now)
        bucket.tokens = min(limit.burst, bucket.tokens + (now - bucket.at) * limit.events_per_second)
        bucket.at = now
        return bucket

    @staticmethod
    def _refuse_debt(bucket: _Bucket, limit: RateLimit) -> None:
        # A whole token, not a part of one: a client that comes back after Retry-After is let in.
        if bucket.tokens < 1:
            raise Refusal(
                429,
                "rate_limited",
                f"More than {limit.events_per_second} events a second; wait for Retry-After seconds, then send the "
                "whole request again.",
                retry_after_seconds=(1 - bucket.tokens) / limit.events_per_second,
            )
