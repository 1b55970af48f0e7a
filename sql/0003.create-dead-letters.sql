-- Records that can never be processed, with all that is needed to understand them and to send them again.
--
-- depends: 0002.create-aggregates
--
-- identity is the event_id where it is known, else a digest of place and payload; it is registered in event_ids, so an
-- event is either in events or here, once. (topic, partition, offset) is the refused record's place and not unique: a
-- topic that was deleted and made again counts from 0.
-- type, account_id and source are cut to the columns' width: the payload has them in full.
CREATE TABLE IF NOT EXISTS events_dead_letter (
    id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    identity         BINARY(16)      NOT NULL,
    event_id         BINARY(16)      NULL,
    reason           VARCHAR(64)     NOT NULL,
    stage            VARCHAR(32)     NOT NULL,
    detail           TEXT            NOT NULL,
    topic            VARCHAR(249)    NOT NULL,
    `partition`      INT             NOT NULL,
    `offset`         BIGINT          NOT NULL,
    schema_id        BIGINT          NULL,
    payload_kind     VARCHAR(16)     NOT NULL COMMENT 'event: JSON as sent; record: whole Kafka record value',
    payload          LONGBLOB        NOT NULL,
    type             VARCHAR(255)    NULL,
    account_id       VARCHAR(255)    NULL,
    source           VARCHAR(255)    NULL,
    received_at      DATETIME(6)     NULL COMMENT 'UTC, collector time',
    failed_at        DATETIME(6)     NOT NULL COMMENT 'UTC',
    pipeline_version VARCHAR(128)    NOT NULL,
    stored_at        DATETIME(6)     NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    replay_state     ENUM('new', 'replayed', 'discarded') NOT NULL DEFAULT 'new',
    replayed_at      DATETIME(6)     NULL COMMENT 'UTC',
    PRIMARY KEY (id),
    UNIQUE KEY once (identity),
    UNIQUE KEY by_event (event_id),
    KEY by_place (topic, `partition`, `offset`),
    KEY by_reason (reason, failed_at),
    KEY by_account (account_id, failed_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;
