"""Prometheus metrics of the sink, prefix holded_sink_, and what a committed batch adds to them."""

import time

from prometheus_client import Counter, Gauge, Histogram

from holded_sink.batch import Source
from holded_sink.latency import AgeHistogram
from holded_sink.prepare import Counts
from holded_sink.rows import EventRow, LetterRow

_LATENCIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600)

INSERTED = Counter("holded_sink_rows_inserted", "Rows inserted, or increments added, by input topic", ["artefact"])
DUPLICATES = Counter("holded_sink_duplicates", "Records refused because gold knows their event", ["artefact"])
DEAD_LETTERS = Counter("holded_sink_dead_letters", "Dead letters stored, by reason", ["reason"])
BATCHES = Counter("holded_sink_batches", "Committed transactions")
BATCH_SECONDS = Histogram("holded_sink_batch_seconds", "From a batch's decoding to its commit", buckets=_LATENCIES)
BATCH_RECORDS = Histogram(
    "holded_sink_batch_records",
    "Kafka records of a transaction",
    buckets=(1, 10, 50, 100, 500, 1000, 2000, 5000, 20000),
)
END_TO_END = AgeHistogram(
    "holded_sink_end_to_end_seconds",
    "From the collector's receipt of an event to its commit here, from where a SELECT finds it",
    _LATENCIES,
)
CANARIES = Counter("holded_sink_canaries", "Canaries, which are in no other figure, by input topic", ["artefact"])
CANARY_SENT = Gauge(
    "holded_sink_canary_sent_timestamp_seconds", "When the newest canary in MySQL was sent; 0 before the first"
)
CANARY_LATENCY = Gauge("holded_sink_canary_latency_seconds", "From its being sent until the newest canary was stored")
RETRIES = Counter("holded_sink_retries", "Attempts that failed and are repeated, by kind", ["kind"])
FENCED = Counter("holded_sink_fenced", "Batches dropped because the stored offset was not theirs")
LOST_RECORDS = Counter("holded_sink_expired_records", "Offsets that Kafka's retention deleted before gold had them")
LEDGER_GAPS = Counter("holded_sink_ledger_gaps", "Worker ledger entries that did not follow the one before")
LAG = Gauge("holded_sink_lag", "Offsets between gold and the end of a partition", ["topic", "partition"])
LEDGER = Gauge("holded_ledger_events", "Totals of the pipeline's ledger in MySQL", ["state"])
PARTITION_DAYS_AHEAD = Gauge("holded_sink_partition_days_ahead", "Days after today that have a partition of events")
MAINTENANCE_FAILURES = Counter("holded_sink_maintenance_failures", "Runs of the partition maintenance that failed")


def observe_commit(
    events: list[EventRow], letters: list[LetterRow], counts: dict[Source, Counts], *, seconds: float
) -> None:
    """Record a committed batch."""
    BATCHES.inc()
    BATCH_SECONDS.observe(seconds)
    for source, count in counts.items():
        INSERTED.labels(source.artefact.value).inc(count.inserted)
        DUPLICATES.labels(source.artefact.value).inc(count.duplicates)
        if count.canaries:
            CANARIES.labels(source.artefact.value).inc(count.canaries)
    for letter in letters:
        DEAD_LETTERS.labels(letter.reason).inc()
    if events:
        END_TO_END.observe((event.received_at for event in events), time.time_ns() // 1000)
