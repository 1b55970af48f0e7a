-- A row of events lies where it arrived, not where its id would put it.
--
-- depends: 0010.canary
--
-- Ids are digests, so rows in the order of ids go all over the day's partition: each row changes a page of its own, and
-- the more rows the day has, the more a batch reads, splits and writes. In the order of arrival a batch fills the last
-- pages, and every index carries 8 bytes of seq in place of 16 of event_id. by_event finds an event by its id, and keeps an
-- id unique within a day; for ever and across days it is event_ids that does, as before.
-- seq is no order of commits: two sinks store at the same time, and what is rolled back leaves a gap.
--
-- MySQL copies the table for another primary key, about as long as for 0007; the sink waits meanwhile and Kafka keeps what
-- comes. Left out where it has been done.
SET @holded_ddl = (
    SELECT IF(
        COUNT(*) > 0,
        'DO 0',
        CONCAT(
            'ALTER TABLE events',
            ' ADD COLUMN seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT ''order of arrival'' FIRST,',
            ' DROP PRIMARY KEY,',
            ' ADD PRIMARY KEY (seq, event_date),',
            ' ADD UNIQUE KEY by_event (event_id, event_date)'
        )
    )
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'events' AND COLUMN_NAME = 'seq'
);
PREPARE holded_ddl FROM @holded_ddl;
EXECUTE holded_ddl;
DEALLOCATE PREPARE holded_ddl;
