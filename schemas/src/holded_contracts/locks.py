"""MySQL's advisory locks: who must not work on one database at the same time."""

from enum import StrEnum


class Work(StrEnum):
    """What a lock is for."""

    PARTITIONS = "partitions"
    """Day partitions of events come and go. Who holds it can rely on them staying as they are."""
    BY_HAND = "by-hand"
    """Somebody repairs, replays or erases: one at a time."""


def lock_name(work: Work) -> str:
    """Return the SQL expression of the lock's name in the current database.

    A lock's name has at most 64 characters, as has a database's, so the database is in it as a digest.
    """
    return f"CONCAT('holded.{work}.', LEFT(SHA2(DATABASE(), 256), 40))"
