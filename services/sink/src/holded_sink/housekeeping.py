"""What the sink does beside its batches: day partitions, gauges, the ledger. Its faults never hold up a batch."""

import time
from collections.abc import Callable
from datetime import UTC

import structlog

from holded_contracts.ledger import accepted_events, in_flight
from holded_sink import metrics
from holded_sink.errors import SystemicError, TransientError
from holded_sink.io.consumer import SilverSource
from holded_sink.io.maintenance import PartitionKeeper
from holded_sink.io.raw_topic import RawTopic
from holded_sink.io.repository import Gold, LedgerTotals

MAINTENANCE_SECONDS = 600.0
"""Between two looks at the day partitions."""

MAINTENANCE_RETRY_SECONDS = 60.0
"""After a failed one; there are days of runway."""

REPORT_SECONDS = 10.0
"""Between two updates of lag and ledger gauges."""

AUDIT_SECONDS = 60.0
"""Between two lines with the ledger in the audit log, and only when its numbers have changed."""

log = structlog.get_logger()


class Housekeeping:
    """Runs its tasks from the main loop when they are due."""

    def __init__(
        self,
        *,
        source: SilverSource,
        raw: RawTopic,
        gold: Gold,
        keeper: PartitionKeeper,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._raw = raw
        self._gold = gold
        self._keeper = keeper
        self._clock = clock
        self._maintenance_due = clock()
        self._report_due = clock()
        self._audit_due = clock()
        self._audited: dict[str, int] | None = None
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
            raw_topic_id = self._raw.topic_id()
        except TransientError as error:
            raw_topic_id = ""
            log.info("the ledger has no accepted events for now", error=str(error))
        try:
            # Downstream first: what gold has counted was accepted before, so nothing is in flight less than once.
            totals = self._gold.ledger(raw_topic_id)
            canary = self._gold.canary()
        except (TransientError, SystemicError) as error:
            self.problem = str(error)
            log.warning("ledger totals could not be read", error=str(error))
            return
        self.problem = None
        if canary is not None:
            metrics.CANARY_SENT.set(canary.sent_at.replace(tzinfo=UTC).timestamp())
            metrics.CANARY_LATENCY.set(max(0, canary.latency_ms) / 1000)
        counts = {"gold": totals.gold, "dead_letters": totals.dead_letters, "duplicates": totals.duplicates}
        metrics.LEDGER.labels("processed").set(totals.processed)
        for state, events in counts.items():
            metrics.LEDGER.labels(state).set(events)
        if raw_topic_id:
            self._report_accepted(counts, totals)

    def _report_accepted(self, counts: dict[str, int], totals: LedgerTotals) -> None:
        try:
            accepted = accepted_events(totals.former + self._raw.records(), totals.canaries)
        except TransientError as error:
            log.info("the ledger has no accepted events for now", error=str(error))
            return
        ledger = {"accepted": accepted, **counts, "in_flight": in_flight(accepted, **counts)}
        for state in ("accepted", "in_flight"):
            metrics.LEDGER.labels(state).set(ledger[state])
        now = self._clock()
        # One sink writes the line: the one that reads the ledger topic's first partition.
        if ledger == self._audited or now < self._audit_due or not self._source.keeps_ledger:
            return
        try:
            self._gold.audit("ledger", ledger)
        except (TransientError, SystemicError) as error:
            log.warning("the ledger could not be written to the audit log", error=str(error))
            return
        self._audited = ledger
        self._audit_due = now + AUDIT_SECONDS
