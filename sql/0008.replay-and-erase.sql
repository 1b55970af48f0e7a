-- What people do to gold by hand: dead letters sent again, and data of one account or user erased.
--
-- depends: 0007.create-analyst-indexes-and-audit-pruning
--
-- A dead letter is sent again under an id of its own (event_id here), which follows from the dead letter's identity:
-- sent twice, it is still one event. Payload and id are stored before anything is sent, so that a second attempt sends
-- the same bytes whatever happened to the first.
CREATE TABLE IF NOT EXISTS dead_letter_replays (
    dead_letter_id BIGINT UNSIGNED NOT NULL,
    event_id       BINARY(16)      NOT NULL COMMENT 'id under which it was sent again',
    payload        LONGBLOB        NOT NULL COMMENT 'JSON of the event as it is sent again',
    patches        INT             NOT NULL COMMENT 'number of changes to the original; 0: as it was',
    requested_by   VARCHAR(255)    NOT NULL,
    requested_at   DATETIME(6)     NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    attempts       INT             NOT NULL DEFAULT 0 COMMENT 'times it was handed to Kafka and marked as sent',
    sent_at        DATETIME(6)     NULL COMMENT 'UTC; NULL: not known to be sent',
    topic          VARCHAR(249)    NULL,
    `partition`    INT             NULL,
    `offset`       BIGINT          NULL,
    PRIMARY KEY (dead_letter_id),
    UNIQUE KEY by_event (event_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

-- Ids whose event or dead letter was erased on request. event_ids keeps them, so that a copy still on its way is refused;
-- this table says that nothing is missing. Nothing here tells whose they were or which erasure it was.
CREATE TABLE IF NOT EXISTS erased_ids (
    event_id BINARY(16) NOT NULL,
    PRIMARY KEY (event_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

-- pending: stored in dead_letter_replays and not yet known to be sent. At the end of the list: that is a change of
-- metadata alone.
ALTER TABLE events_dead_letter
    MODIFY COLUMN replay_state ENUM('new', 'replayed', 'discarded', 'pending') NOT NULL DEFAULT 'new';

CREATE OR REPLACE SQL SECURITY INVOKER VIEW events_dead_letter_view AS
SELECT
    letter.id, BIN_TO_UUID(letter.event_id) AS event_id, letter.reason, letter.stage, letter.detail, letter.topic,
    letter.`partition`, letter.`offset`, letter.schema_id, letter.payload_kind,
    IF(letter.payload_kind = 'event', CONVERT(letter.payload USING utf8mb4), NULL) AS payload_text,
    LENGTH(letter.payload) AS payload_bytes, letter.type, letter.account_id, letter.source, letter.received_at,
    letter.failed_at, letter.pipeline_version, letter.stored_at, letter.replay_state, letter.replayed_at,
    BIN_TO_UUID(replay.event_id) AS replay_event_id, replay.requested_by AS replayed_by
FROM events_dead_letter AS letter
LEFT JOIN dead_letter_replays AS replay ON replay.dead_letter_id = letter.id;
