"""The sink's main loop: read a batch, make it one transaction, go on from there.

Each turn ends with a batch committed or untouched. Whatever is not known for certain (a rebalance, a lost COMMIT, a
fence) is settled the same way: drop the batch, and the one read ahead of it, and ask MySQL where to go on.
"""

import threading
import time
from collections.abc import Callable

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_exponential_jitter

from holded_contracts.io.probes import Heartbeat
from holded_contracts.settings import SinkSettings
from holded_sink import metrics
from holded_sink.batch import Batch
from holded_sink.bisection import find_refused
from holded_sink.errors import (
    FencedError,
    OwnershipLostError,
    RefusedContentError,
    StoppingError,
    SystemicError,
    TransientError,
)
from holded_sink.housekeeping import Housekeeping
from holded_sink.io.consumer import SilverSource, StaleRecordError
from holded_sink.io.repository import Gold, Outcome
from holded_sink.prepare import Prepared
from holded_sink.preparing import Preparer, Work

TRANSIENT_WAIT_MAX = 5.0
"""Seconds between attempts at most, while MySQL, Kafka or the registry is away."""

SYSTEMIC_WAIT = 15.0
"""Seconds between attempts while somebody has to repair something."""

READ_AHEAD_WAIT = 0.05
"""Seconds that a full batch in hand waits for the one after it to be full, too."""

log = structlog.get_logger()


class Sink:
    """One sink process."""

    def __init__(
        self,
        settings: SinkSettings,
        *,
        source: SilverSource,
        preparer: Preparer,
        gold: Gold,
        housekeeping: Housekeeping,
        heartbeat: Heartbeat,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._source = source
        self._preparer = preparer
        self._gold = gold
        self._housekeeping = housekeeping
        self._heartbeat = heartbeat
        self._stop = stop
        self._started_generation = -1
        self._ahead: Work | None = None
        """The batch that follows the one in hand, where there is a backlog."""
        self._fault: str | None = "starting"
        self._backoff = wait_exponential_jitter(multiplier=0.1, max=TRANSIENT_WAIT_MAX, jitter=0.1)

    def not_ready(self) -> str | None:
        """Return why the sink stores nothing now, None when it does."""
        if not self._source.joined:
            return self._source.problem or "waiting for the consumer group"
        return self._fault or self._source.problem or self._housekeeping.problem

    def run(self) -> None:
        """Work until `stop` is set; the batch in hand is finished first."""
        while not self._stop.is_set():
            self._heartbeat.beat()
            try:
                self.turn()
            except OwnershipLostError:
                log.info("batch dropped: the consumer group changed")
            except FencedError as error:
                metrics.FENCED.inc()
                log.warning("batch dropped: offsets in MySQL have moved", error=str(error))
                self._forget_positions()
            except StaleRecordError as error:
                log.warning("Kafka went back; positions are read again", error=str(error))
                self._forget_positions()
            except StoppingError:
                log.info("stopping between two attempts; the batch in hand is left to the next process")

    def turn(self) -> None:
        """Read and store one batch; with nothing to read, do what is due."""
        if not self._source.joined:
            self._source.idle(self._settings.batch.max_wait_ms / 1000)
            return
        if self._started_generation != self._source.generation:
            self._start()
        if work := self._next():
            self._store(work)
        self._housekeeping.run_due()

    def _start(self) -> None:
        """Begin to read where MySQL says; while this is repeated, a change of the assignment ends it."""
        generation = self._source.generation
        self._ahead = None
        self._until_done(lambda: self._source.start(self._gold.positions(self._source.owned())))
        self._started_generation = generation

    def _forget_positions(self) -> None:
        self._ahead = None
        self._source.suspend()
        self._started_generation = -1

    def _next(self) -> Work | None:
        work, self._ahead = self._ahead, None
        if work is not None:
            return work
        batch = self._settings.batch
        records = self._source.poll(batch.max_rows, batch.max_wait_ms / 1000)
        return self._preparer.begin(records, self._source.positions) if records else None

    def _read_ahead(self, work: Work, prepared: Prepared) -> None:
        """Begin with the next batch if this one was full: preparing it goes on while MySQL stores this one."""
        if len(work.records) < self._settings.batch.max_rows:
            return
        generation = self._source.generation
        records = self._source.poll(self._settings.batch.max_rows, READ_AHEAD_WAIT)
        if self._source.generation != generation:
            raise OwnershipLostError
        if records:
            following = {**self._source.positions, **prepared.batch.next_positions()}
            self._ahead = self._preparer.begin(records, following)

    def _store(self, work: Work) -> None:
        began = time.monotonic()
        prepared = self._until_done(work.prepared)
        self._read_ahead(work, prepared)
        outcome = self._until_done(lambda: self._write(prepared))
        self._source.advance(outcome.positions)
        metrics.observe_commit(outcome.events, outcome.letters, outcome.counts, seconds=time.monotonic() - began)
        metrics.BATCH_RECORDS.observe(len(work.records))
        metrics.LEDGER_GAPS.inc(outcome.ledger_gaps)

    def _write(self, prepared: Prepared) -> Outcome:
        batch = prepared.batch
        try:
            return self._gold.write(prepared)
        except RefusedContentError as error:
            log.warning("MySQL refuses a row; looking for it", error=str(error), records=len(batch.records))
        found = find_refused(batch.records, lambda items: self._try_out(Batch(items, batch.expected)))
        refused = {(item.record.source, item.record.offset): said for item, said in found}
        try:
            return self._gold.write(self._preparer.prepare(batch, refused))
        except RefusedContentError as error:
            raise SystemicError(f"rows are refused that were taken alone, or a dead letter is: {error}") from error

    def _try_out(self, part: Batch) -> str | None:
        self._heartbeat.beat()
        return self._gold.try_out(self._preparer.prepare(part, {}))

    def _until_done[T](self, action: Callable[[], T]) -> T:
        """Repeat an action until it works, however long faults last.

        The consumer stays in its group meanwhile and fetches nothing.

        Raises
        ------
        OwnershipLostError
            If the assignment changed while waiting.
        StoppingError
            If the process is to stop while waiting.
        """
        attempts = Retrying(
            retry=retry_if_exception_type((TransientError, SystemicError)),
            wait=self._wait,
            sleep=self._sleep,
            before_sleep=self._note_fault,
            reraise=True,
        )
        result = attempts(action)
        self._fault = None
        return result

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return SYSTEMIC_WAIT if isinstance(error, SystemicError) else self._backoff(state)

    def _sleep(self, seconds: float) -> None:
        generation = self._source.generation
        self._ahead = None  # idling goes back to the stored positions
        self._source.idle(seconds)
        if self._stop.is_set():
            raise StoppingError
        if self._source.generation != generation:
            raise OwnershipLostError

    def _note_fault(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        kind = "systemic" if isinstance(error, SystemicError) else "transient"
        metrics.RETRIES.labels(kind).inc()
        self._fault = f"{kind} fault: {error}"
        report = log.error if kind == "systemic" else log.warning
        report("attempt failed; repeating", kind=kind, attempt=state.attempt_number, error=str(error))
