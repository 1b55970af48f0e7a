-- What the sink knows about itself: where it reads on, what it has counted, what it has done.
--
-- depends: 0003.create-dead-letters
--
-- sink_offsets decides, Kafka's committed offsets only mirror it: it changes in the transaction that has the rows. Topics
-- are told apart by Kafka's topic id, because one that is deleted and made again starts at offset 0.
-- counted_offset never goes back: to replay, set next_offset to 0 and restart the sink. Rows are then refused by
-- event_ids, and what only adds up (events_analytics, worker_ledger, the counters here) skips offsets below it.
CREATE TABLE IF NOT EXISTS sink_offsets (
    topic_id       VARCHAR(64)  NOT NULL,
    `partition`    INT          NOT NULL,
    topic          VARCHAR(249) NOT NULL,
    artefact       VARCHAR(32)  NOT NULL COMMENT 'silver, dead_letter, analytics or ledger',
    next_offset    BIGINT       NOT NULL COMMENT 'first offset not yet stored',
    counted_offset BIGINT       NOT NULL COMMENT 'first offset not yet counted',
    inserted       BIGINT       NOT NULL DEFAULT 0 COMMENT 'rows inserted, or increments added',
    duplicates     BIGINT       NOT NULL DEFAULT 0 COMMENT 'refused: the event is already in gold or a dead letter',
    dead           BIGINT       NOT NULL DEFAULT 0 COMMENT 'dead letters the sink itself made of records here',
    PRIMARY KEY (topic_id, `partition`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

-- What the workers did with each raw partition: the sum of the ledger topic.
CREATE TABLE IF NOT EXISTS worker_ledger (
    topic_id     VARCHAR(64)  NOT NULL COMMENT 'of the raw topic',
    `partition`  INT          NOT NULL,
    topic        VARCHAR(249) NOT NULL,
    next_offset  BIGINT       NOT NULL COMMENT 'first raw offset not yet accounted for',
    records      BIGINT       NOT NULL,
    silver       BIGINT       NOT NULL,
    dead_letters BIGINT       NOT NULL,
    duplicates   BIGINT       NOT NULL,
    committed_at DATETIME(6)  NOT NULL COMMENT 'UTC, worker time of the latest entry',
    PRIMARY KEY (topic_id, `partition`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

-- Append-only: nothing of ours updates or deletes here. Grant INSERT and SELECT alone to have MySQL enforce it.
CREATE TABLE IF NOT EXISTS audit_log (
    id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    at     DATETIME(6)     NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    actor  VARCHAR(255)    NOT NULL COMMENT 'pod or user',
    action VARCHAR(64)     NOT NULL COMMENT 'e.g. batch, partition.add, partition.drop',
    detail JSON            NOT NULL,
    PRIMARY KEY (id),
    KEY by_action (action, at),
    KEY by_time (at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;
