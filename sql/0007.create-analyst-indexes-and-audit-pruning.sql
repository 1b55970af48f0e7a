-- What analysts ask for beside account, type and context: low quality, and the business object an event is about. And
-- the audit log's bound.
--
-- depends: 0006.create-views
--
-- entity_id is virtual: its text stands in the index alone. LEFT, because an id of any length may come, and a row must
-- never be refused for it; an id that is no text is its JSON text.
-- MySQL adds a generated column to a partitioned table by copying it, so on a filled table this takes its time (about a
-- minute for a million rows); the sink waits meanwhile and Kafka keeps what comes. Column and both indexes are one
-- statement, hence one copy, and it is left out where it has been done.
SET @holded_ddl = (
    SELECT IF(
        COUNT(*) > 0,
        'DO 0',
        CONCAT(
            'ALTER TABLE events',
            ' ADD COLUMN entity_id VARCHAR(64) GENERATED ALWAYS AS (LEFT(data ->> ''$.id'', 64)) VIRTUAL',
            ' COMMENT ''data.id, the first 64 characters'' AFTER data,',
            ' ADD KEY by_entity_id (entity_id),',
            ' ADD KEY by_quality (quality_score, occurred_at)'
        )
    )
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'events' AND COLUMN_NAME = 'entity_id'
);
PREPARE holded_ddl FROM @holded_ddl;
EXECUTE holded_ddl;
DEALLOCATE PREPARE holded_ddl;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW events_view AS
SELECT
    BIN_TO_UUID(event_id) AS event_id, event_date, type, domain, entity, action, account_id, user_id,
    target_subscription, business_context, quality_score, amount, currency, occurred_at, received_at, processed_at,
    source, raw_partition, raw_offset, pipeline_version, entity_id, data,
    COALESCE(data_exact, CAST(data AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin) AS data_text, metadata
FROM events;

DROP PROCEDURE IF EXISTS audit_prune_batches;

-- Delete up to 10,000 of the oldest lines of action batch from before a time (UTC), and say how many. Lines of every
-- other action stay for ever, and nobody can have lines of the last 30 days deleted. The sink has no right to DELETE.
CREATE PROCEDURE audit_prune_batches(IN before_time DATETIME)
SQL SECURITY DEFINER
BEGIN
    IF before_time > UTC_TIMESTAMP() - INTERVAL 30 DAY THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'lines of the last 30 days stay in the audit log';
    END IF;
    DELETE FROM audit_log WHERE action = 'batch' AND at < before_time ORDER BY at LIMIT 10000;
    SELECT ROW_COUNT() AS deleted;
END;
