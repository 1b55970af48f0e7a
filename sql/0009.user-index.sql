-- What erasing a user asks for, day by day: without it every day of events is read whole.
--
-- depends: 0008.replay-and-erase
--
-- An index that is added in place: the table stays writable, which takes some seconds for a million rows. Left out where
-- it has been done.
SET @holded_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0', 'ALTER TABLE events ADD KEY by_user (user_id, occurred_at)')
    FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'events' AND INDEX_NAME = 'by_user'
);
PREPARE holded_ddl FROM @holded_ddl;
EXECUTE holded_ddl;
DEALLOCATE PREPARE holded_ddl;
