-- The only DDL that runs after a migration: day partitions of events come and go with time.
--
-- depends: 0004.create-bookkeeping
--
-- Procedures with their definer's rights, so that the sink's user needs EXECUTE and neither ALTER nor DROP. A dynamic
-- statement is needed because a partition's name and bound can't be parameters; both come from a DATE or are looked up
-- in the catalogue. DDL commits implicitly: never call them in a transaction.
-- IF NOT EXISTS of procedures is younger than MySQL 8.0.19, hence DROP first.
DROP PROCEDURE IF EXISTS events_add_partitions;

-- Split days off p_future: the first new partition ends before first_bound, the last before last_bound.
CREATE PROCEDURE events_add_partitions(IN first_bound DATE, IN last_bound DATE)
SQL SECURITY DEFINER
BEGIN
    DECLARE bound DATE DEFAULT first_bound;
    SET @holded_days = '';
    WHILE bound <= last_bound DO
        SET @holded_days = CONCAT(
            @holded_days, 'PARTITION p', DATE_FORMAT(bound - INTERVAL 1 DAY, '%Y%m%d'),
            ' VALUES LESS THAN (''', DATE_FORMAT(bound, '%Y-%m-%d'), '''), '
        );
        SET bound = bound + INTERVAL 1 DAY;
    END WHILE;
    SET @holded_ddl = CONCAT(
        'ALTER TABLE events REORGANIZE PARTITION p_future INTO (', @holded_days,
        'PARTITION p_future VALUES LESS THAN (MAXVALUE))'
    );
    PREPARE ddl FROM @holded_ddl;
    EXECUTE ddl;
    DEALLOCATE PREPARE ddl;
END;

DROP PROCEDURE IF EXISTS events_drop_partition;

-- Drop the day partition of this name; p_future and unknown names are refused.
CREATE PROCEDURE events_drop_partition(IN partition_wanted VARCHAR(64))
SQL SECURITY DEFINER
BEGIN
    SET @holded_ddl = NULL;
    SELECT CONCAT('ALTER TABLE events DROP PARTITION ', p.PARTITION_NAME) INTO @holded_ddl
    FROM information_schema.PARTITIONS AS p
    WHERE p.TABLE_SCHEMA = DATABASE() AND p.TABLE_NAME = 'events'
      AND p.PARTITION_NAME = partition_wanted AND p.PARTITION_NAME REGEXP '^p[0-9]{8}$';
    IF @holded_ddl IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events has no day partition of this name';
    END IF;
    PREPARE ddl FROM @holded_ddl;
    EXECUTE ddl;
    DEALLOCATE PREPARE ddl;
END;
