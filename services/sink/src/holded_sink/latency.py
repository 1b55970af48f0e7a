"""A histogram that takes a whole batch at a time: observing row by row costs as much as preparing a row does."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class AgeHistogram(Collector):
    """Ages in seconds. One thread observes; any other may collect meanwhile."""

    def __init__(
        self, name: str, documentation: str, bounds: Sequence[float], *, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = [(str(float(bound)), round(bound * 1e6)) for bound in bounds]
        # Replaced as one, so that whoever collects sees a batch whole or not at all.
        self._totals: tuple[list[int], int, float] = ([0] * len(self._bounds), 0, 0.0)
        registry.register(self)

    def observe(self, moments: Iterable[int], now: int) -> None:
        """Add the time from each moment to now, in microseconds since the epoch; a moment still to come counts as 0."""
        earliest_first = sorted(moments)
        counts, events, seconds = self._totals
        number = len(earliest_first)
        within = [number - bisect_left(earliest_first, now - bound) for _, bound in self._bounds]
        past = bisect_right(earliest_first, now)
        added = (past * now - sum(earliest_first[:past])) / 1e6
        self._totals = ([a + b for a, b in zip(counts, within, strict=True)], events + number, seconds + added)

    def describe(self) -> Iterable[Metric]:
        """Return what it is called."""
        return [HistogramMetricFamily(self._name, self._documentation)]

    def collect(self) -> Iterable[Metric]:
        """Return all that was observed."""
        counts, events, seconds = self._totals
        buckets = [(bound, count) for (bound, _), count in zip(self._bounds, counts, strict=True)]
        buckets.append(("+Inf", events))
        return [HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=seconds)]
