-- The events table: one row per business event that passed every check.
--
-- Partitions are days of event_date, the UTC day of occurred_at: dropping a day is then one cheap statement, and a
-- query over some days reads those days only. It starts as one catch-all partition; the sink splits off days by the
-- procedures of 0005. Values below the first day's bound land in that first partition and values past the last day in
-- p_future, so an event of any date has a place.
-- MySQL wants the partition column in every unique key, therefore (event_id, event_date) alone can't make an event
-- unique: event_ids does, in the same transaction.
-- All identifiers compare by code point (utf8mb4_0900_bin): 'a' and 'A' are two accounts, as they are in Python.
-- data is for queries. MySQL's JSON keeps numbers as 64-bit integers or doubles; where that would change a number of
-- the event, data_exact has the JSON text as it came, and is NULL otherwise.
CREATE TABLE IF NOT EXISTS events (
    event_id            BINARY(16)     NOT NULL,
    event_date          DATE           NOT NULL COMMENT 'UTC day of occurred_at',
    type                VARCHAR(255)   NOT NULL,
    domain              VARCHAR(128)   NOT NULL,
    entity              VARCHAR(128)   NOT NULL,
    action              VARCHAR(128)   NOT NULL,
    account_id          VARCHAR(255)   NULL,
    user_id             VARCHAR(255)   NULL,
    target_subscription VARCHAR(255)   NULL,
    business_context    VARCHAR(64)    NOT NULL,
    quality_score       DECIMAL(5, 4)  NOT NULL,
    amount              DECIMAL(20, 4) NULL,
    currency            VARCHAR(64)    NULL COMMENT 'as sent',
    occurred_at         DATETIME(6)    NOT NULL COMMENT 'UTC',
    received_at         DATETIME(6)    NOT NULL COMMENT 'UTC, collector time',
    processed_at        DATETIME(6)    NOT NULL COMMENT 'UTC, worker time',
    source              VARCHAR(255)   NULL COMMENT 'name of the API key that sent it',
    raw_partition       INT            NOT NULL,
    raw_offset          BIGINT         NOT NULL,
    pipeline_version    VARCHAR(128)   NOT NULL,
    data                JSON           NOT NULL,
    data_exact          LONGTEXT       NULL,
    metadata            JSON           NOT NULL,
    PRIMARY KEY (event_id, event_date),
    KEY by_account (account_id, occurred_at),
    KEY by_type (type, occurred_at),
    KEY by_context (business_context, occurred_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin
PARTITION BY RANGE COLUMNS (event_date) (
    PARTITION p_future VALUES LESS THAN (MAXVALUE)
);

-- What makes an event unique for ever, across days and after its partition was dropped. Costs about 40 bytes an event
-- for good and one random read in the buffer pool per insert.
CREATE TABLE IF NOT EXISTS event_ids (
    event_id   BINARY(16) NOT NULL COMMENT 'event_id, or identity of a dead letter without one',
    event_date DATE       NULL COMMENT 'partition of events that has it; NULL: it is in events_dead_letter',
    PRIMARY KEY (event_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;
