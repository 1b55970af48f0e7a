"""What the sink does beside its batches: day partitions, gauges. Its faults never hold up a batch."""

import time
from collections.abc import Callable

import structlog

from holded_sink import metrics
from holded_sink.errors import SystemicError, TransientError
from holded_sink.io.consumer import SilverSource
from holded_sink.io.maintenance import PartitionKeeper
from holded_sink.io.repository import Gold

MAINTENANCE_SECONDS = 600.0
"""Between two looks at the day partitions."""

MAINTENANCE_RETRY_SECONDS = 60.0
"""After a failed one; there are days of runway."""

REPORT_SECONDS = 10.0
"""Between two updates of lag and ledger gauges."""

log = structlog.get_logger()


class Housekeeping:
    """Runs its tasks from the main loop when they are due."""

    def __init__(
        self,
        *,
        source: SilverSource,
        gold: Gold,
        keeper: PartitionKeeper,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._gold = gold
        self._keeper = keeper
        self._clock = clock
        self._maintenance_due = clock()
        self._report_due = clock()
        self.problem: str | None = None
        """What keeps MySQL from answering, None when it does; noticed without traffic, too."""

    def run_due(self) -> None:
        """Do what is due now; failures are logged, counted and tried again later."""
        now = self._clock()
        if now >= self._maintenance_due:
            self._maintenance_due = now + (MAINTENANCE_SECONDS if self._maintain() else MAINTENANCE_RETRY_SECONDS)
        if now >= self._report_due:
            self._report_due = now + REPORT_SECONDS
            self._report()

    def _maintain(self) -> bool:
        try:
            ahead = self._keeper.run()
        except (TransientError, SystemicError) as error:
            metrics.MAINTENANCE_FAILURES.inc()
            log.warning("day partitions could not be maintained; p_future takes new days meanwhile", error=str(error))
            return False
        if ahead is not None:
            metrics.PARTITION_DAYS_AHEAD.set(ahead)
        return True

    def _report(self) -> None:
        self._source.report()
        try:
            totals = self._gold.ledger()
        except (TransientError, SystemicError) as error:
            self.problem = str(error)
            log.warning("ledger totals could not be read", error=str(error))
            return
        self.problem = None
        metrics.LEDGER.labels("processed").set(totals.processed)
        metrics.LEDGER.labels("gold").set(totals.gold)
        metrics.LEDGER.labels("dead_letters").set(totals.dead_letters)
        metrics.LEDGER.labels("duplicates").set(totals.duplicates)
