-- How long an event takes, seen from outside: the newest canary, and the canaries counted apart from everybody's events.
--
-- depends: 0009.user-index
--
-- A collector sends a canary now and then by the way of all events. The sink stores it here, in the transaction of its
-- batch, and nowhere else. sent_at is what received_at is to an event, stored_at is just before the commit: the clocks of
-- two pods, so a difference of milliseconds may be the clocks'.
CREATE TABLE IF NOT EXISTS canary (
    id         TINYINT      NOT NULL DEFAULT 1 COMMENT 'always 1: one row, the newest',
    pod        VARCHAR(255) NOT NULL COMMENT 'collector that sent it',
    sent_at    DATETIME(6)  NOT NULL COMMENT 'UTC, collector time',
    stored_at  DATETIME(6)  NOT NULL COMMENT 'UTC, sink time',
    latency_ms BIGINT GENERATED ALWAYS AS (TIMESTAMPDIFF(MICROSECOND, sent_at, stored_at) DIV 1000) VIRTUAL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

-- ADD COLUMN has no form that is harmless the second time; left out where it has been done.
SET @holded_ddl = (
    SELECT IF(
        COUNT(*) > 0,
        'DO 0',
        CONCAT(
            'ALTER TABLE sink_offsets ADD COLUMN canaries BIGINT NOT NULL DEFAULT 0',
            ' COMMENT ''canaries, which are nobody''''s events'' AFTER dead'
        )
    )
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'sink_offsets' AND COLUMN_NAME = 'canaries'
);
PREPARE holded_ddl FROM @holded_ddl;
EXECUTE holded_ddl;
DEALLOCATE PREPARE holded_ddl;

-- accepted (records of raw, which only Kafka knows, minus canaries) = gold + dead_letters + duplicates + in flight.
-- processed leaves out the canaries that have arrived, too. It never falls below 0 when a canary arrives before the entry of the
-- worker that handled it.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW ledger AS
SELECT
    CAST(GREATEST(worker.processed - sink.canaries, 0) AS SIGNED) AS processed,
    sink.gold,
    sink.dead_letters,
    CAST(worker.duplicates + sink.duplicates AS SIGNED) AS duplicates,
    sink.canaries
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
        CAST(COALESCE(SUM(duplicates), 0) AS SIGNED) AS duplicates,
        CAST(COALESCE(SUM(canaries), 0) AS SIGNED) AS canaries
    FROM sink_offsets
    WHERE artefact IN ('silver', 'dead_letter')
) AS sink;
