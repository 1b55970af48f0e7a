-- Views for people: ids as the text they see in HTTP and JSON, and the ledger in one row.
--
-- depends: 0005.create-partition-procedures
--
-- Invoker's rights: a view grants nobody more than he has, and no view breaks when the migrating user is removed.
-- data is for JSON functions; data_text is JSON text in which every number is as exact as it was sent.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW events_view AS
SELECT
    BIN_TO_UUID(event_id) AS event_id, event_date, type, domain, entity, action, account_id, user_id,
    target_subscription, business_context, quality_score, amount, currency, occurred_at, received_at, processed_at,
    source, raw_partition, raw_offset, pipeline_version, data,
    COALESCE(data_exact, CAST(data AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin) AS data_text, metadata
FROM events;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW events_dead_letter_view AS
SELECT
    id, BIN_TO_UUID(event_id) AS event_id, reason, stage, detail, topic, `partition`, `offset`, schema_id, payload_kind,
    IF(payload_kind = 'event', CONVERT(payload USING utf8mb4), NULL) AS payload_text, LENGTH(payload) AS payload_bytes,
    type, account_id, source, received_at, failed_at, pipeline_version, stored_at, replay_state, replayed_at
FROM events_dead_letter;

-- accepted (end offsets of raw, which only Kafka knows) = gold + dead_letters + duplicates + in flight.
-- processed counts raw records the workers have finished, so it is at most accepted. Only records that stand for an
-- event count: a broken analytics increment becomes a dead letter, too, but no event is missing for it.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW ledger AS
SELECT
    worker.processed,
    sink.gold,
    sink.dead_letters,
    CAST(worker.duplicates + sink.duplicates AS SIGNED) AS duplicates
FROM (
    SELECT
        CAST(COALESCE(SUM(records), 0) AS SIGNED) AS processed,
        CAST(COALESCE(SUM(duplicates), 0) AS SIGNED) AS duplicates
    FROM worker_ledger
) AS worker
CROSS JOIN (
    SELECT
        CAST(COALESCE(SUM(IF(artefact = 'silver', inserted, 0)), 0) AS SIGNED) AS gold,
        CAST(COALESCE(SUM(IF(artefact = 'dead_letter', inserted, 0) + dead), 0) AS SIGNED) AS dead_letters,
        CAST(COALESCE(SUM(duplicates), 0) AS SIGNED) AS duplicates
    FROM sink_offsets
    WHERE artefact IN ('silver', 'dead_letter')
) AS sink;
