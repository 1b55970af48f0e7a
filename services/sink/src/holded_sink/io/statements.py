"""All SQL of the sink, parameterised.

PyMySQL turns `executemany` into multi-row statements only when the text is exactly INSERT … VALUES (%s, …), with an
optional alias and ON DUPLICATE KEY part; the unit tests hold every statement here to its pattern.
"""

from typing import NamedTuple

from holded_contracts.locks import Work, lock_name


class Bulk(NamedTuple):
    """What stands before and after the rows of a multi-row INSERT whose rows are text already (rendering.py)."""

    head: bytes
    tail: bytes


def bulk(statement: str) -> Bulk:
    """Split INSERT … VALUES (%s, …) … where its rows go."""
    head, values, rest = statement.partition("VALUES ")
    return Bulk((head + values).encode(), rest[rest.index(")") + 1 :].encode())


BEGIN = "START TRANSACTION"

SERVER_LIMITS = "SELECT @@max_allowed_packet, @@SESSION.sql_mode"

CREATE_OFFSETS = (
    "INSERT IGNORE INTO sink_offsets (topic_id, `partition`, topic, artefact, next_offset, counted_offset) "
    "VALUES (%s, %s, %s, %s, %s, %s)"
)

LOAD_OFFSETS = "SELECT topic_id, `partition`, next_offset, counted_offset FROM sink_offsets WHERE topic_id IN %s"

LOCK_OFFSETS = (
    "SELECT topic_id, `partition`, next_offset, counted_offset FROM sink_offsets "
    "WHERE (topic_id, `partition`) IN %s ORDER BY topic_id, `partition` FOR UPDATE"
)

CLAIM_ALL = bulk("INSERT IGNORE INTO event_ids (event_id, event_date) VALUES (%s, %s)")
CLAIM_NEW = "INSERT INTO event_ids (event_id, event_date) VALUES (%s, %s)"
SELECT_KNOWN = "SELECT event_id FROM event_ids WHERE event_id IN %s"

INSERT_EVENTS = (
    "INSERT INTO events (event_id, event_date, type, domain, entity, action, account_id, user_id, "
    "target_subscription, business_context, quality_score, amount, currency, occurred_at, received_at, processed_at, "
    "source, raw_partition, raw_offset, pipeline_version, data, data_exact, metadata) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)

BULK_EVENTS = bulk(INSERT_EVENTS)

INSERT_LETTERS = (
    "INSERT INTO events_dead_letter (identity, event_id, reason, stage, detail, topic, `partition`, `offset`, "
    "schema_id, payload_kind, payload, type, account_id, source, received_at, failed_at, pipeline_version) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def _upsert_summary(table: str, bucket: str) -> str:
    return (
        f"INSERT INTO {table} ({bucket}, account_id, business_context, type, event_count, amount_sum, quality_sum, "  # noqa: S608 -- names from the two lines below
        "quality_min, last_event_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) AS added "
        f"ON DUPLICATE KEY UPDATE event_count = {table}.event_count + added.event_count, "
        f"amount_sum = {table}.amount_sum + added.amount_sum, "
        f"quality_sum = {table}.quality_sum + added.quality_sum, "
        f"quality_min = LEAST({table}.quality_min, added.quality_min), "
        f"last_event_at = GREATEST({table}.last_event_at, added.last_event_at)"
    )


UPSERT_HOURLY = bulk(_upsert_summary("events_summary_hourly", "hour_start"))
UPSERT_DAILY = bulk(_upsert_summary("events_summary_daily", "event_date"))

UPSERT_ANALYTICS = (
    "INSERT INTO events_analytics (window_start, account_id, business_context, type, event_count, amount_sum, "
    "quality_sum, processed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) AS added "
    "ON DUPLICATE KEY UPDATE event_count = events_analytics.event_count + added.event_count, "
    "amount_sum = events_analytics.amount_sum + added.amount_sum, "
    "quality_sum = events_analytics.quality_sum + added.quality_sum, "
    "processed_at = GREATEST(events_analytics.processed_at, added.processed_at)"
)

LEDGER_OFFSETS = "SELECT topic_id, `partition`, next_offset FROM worker_ledger WHERE (topic_id, `partition`) IN %s"

UPSERT_LEDGER = (
    "INSERT INTO worker_ledger (topic_id, `partition`, topic, next_offset, records, silver, dead_letters, duplicates, "
    "committed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) AS added "
    "ON DUPLICATE KEY UPDATE topic = added.topic, "
    "next_offset = GREATEST(worker_ledger.next_offset, added.next_offset), "
    "records = worker_ledger.records + added.records, silver = worker_ledger.silver + added.silver, "
    "dead_letters = worker_ledger.dead_letters + added.dead_letters, "
    "duplicates = worker_ledger.duplicates + added.duplicates, "
    "committed_at = GREATEST(worker_ledger.committed_at, added.committed_at)"
)

ADVANCE_OFFSETS = (
    "INSERT INTO sink_offsets (topic_id, `partition`, topic, artefact, next_offset, counted_offset, inserted, "
    "duplicates, dead, canaries) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) AS added "
    "ON DUPLICATE KEY UPDATE topic = added.topic, next_offset = added.next_offset, "
    "counted_offset = added.counted_offset, inserted = sink_offsets.inserted + added.inserted, "
    "duplicates = sink_offsets.duplicates + added.duplicates, dead = sink_offsets.dead + added.dead, "
    "canaries = sink_offsets.canaries + added.canaries"
)

INSERT_AUDIT = "INSERT INTO audit_log (actor, action, detail) VALUES (%s, %s, %s)"

SELECT_LEDGER = (
    "SELECT (SELECT COALESCE(SUM(records), 0) FROM worker_ledger WHERE topic_id <> %s),"
    " processed, gold, dead_letters, duplicates, canaries FROM ledger"
)

# Partitions overtake one another, so an older canary may come later. sent_at last: the others compare with it.
UPSERT_CANARY = (
    "INSERT INTO canary (pod, sent_at, stored_at) VALUES (%s, %s, %s) AS added ON DUPLICATE KEY UPDATE "
    "pod = IF(added.sent_at > canary.sent_at, added.pod, canary.pod), "
    "stored_at = IF(added.sent_at > canary.sent_at, added.stored_at, canary.stored_at), "
    "sent_at = GREATEST(canary.sent_at, added.sent_at)"
)
SELECT_CANARY = "SELECT sent_at, latency_ms FROM canary"

LIST_PARTITIONS = (
    "SELECT PARTITION_NAME, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS "
    "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'events' ORDER BY PARTITION_ORDINAL_POSITION"
)
ADD_PARTITIONS = "CALL events_add_partitions(%s, %s)"
DROP_PARTITION = "CALL events_drop_partition(%s)"
PRUNE_AUDIT = "CALL audit_prune_batches(%s)"

# Two sinks must not split the same partition.
TAKE_PARTITION_LOCK = f"SELECT GET_LOCK({lock_name(Work.PARTITIONS)}, 0)"
FREE_PARTITION_LOCK = f"SELECT RELEASE_LOCK({lock_name(Work.PARTITIONS)})"
