"""Who may come in: how many requests, and how many bytes of bodies, one process holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from holded_collector.metrics import Metrics
from holded_collector.refusal import Refusal
from holded_contracts.settings import CollectorLimits

RETRY_OVERLOADED_SECONDS = 1.0


class Place:
    """The room one request takes; it grows with the bytes that are held for it."""

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self.bytes = 0

    def expect(self, size: int) -> None:
        """Refuse a request of `size` bytes for which there is no room now, before any of it is read; take nothing yet.

        Raises
        ------
        Refusal
            503, as `hold`.
        """
        self._admission.check(size, alone=self.bytes == self._admission.bytes)

    def hold(self, size: int) -> None:
        """Take room for `size` more bytes.

        Raises
        ------
        Refusal
            503 if that is more than all requests together may hold; a request that is alone is never refused, its own
            limits keep it small.
        """
        self._admission.check(size, alone=self.bytes == self._admission.bytes)
        self._admission.change(size)
        self.bytes += size


class Admission:
    """Counts requests and bytes in flight, and refuses at once instead of piling up."""

    def __init__(self, limits: CollectorLimits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._requests = 0
        self.bytes = 0

    @contextmanager
    def enter(self) -> Iterator[Place]:
        """Hold a place until the request is answered.

        Raises
        ------
        Refusal
            503 at once if all places are taken.
        """
        if self._requests >= self._limits.max_requests_in_flight:
            raise _overloaded(f"{self._requests} requests are in flight; send again later, with more events in each.")
        self._requests += 1
        self._metrics.in_flight.inc()
        place = Place(self)
        try:
            yield place
        finally:
            self._requests -= 1
            self._metrics.in_flight.dec()
            self.change(-place.bytes)

    def check(self, size: int, *, alone: bool) -> None:
        """Refuse bytes for which there is no room, see `Place.hold`."""
        if not alone and self.bytes + size > self._limits.max_bytes_in_flight:
            raise _overloaded(f"{self.bytes} bytes are in flight; send again later.")

    def change(self, size: int) -> None:
        """Count bytes that came, or, if negative, went."""
        self.bytes += size
        self._metrics.bytes_in_flight.set(self.bytes)


def _overloaded(detail: str) -> Refusal:
    return Refusal(503, "overloaded", detail, retry_after_seconds=RETRY_OVERLOADED_SECONDS, close=True)
