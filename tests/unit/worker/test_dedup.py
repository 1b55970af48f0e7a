"""The index knows exactly the ids of its window."""

from holded_worker.dedup import DedupIndex

MINUTE = 60_000_000


def test_ids_stay_for_the_window_and_leave_within_a_minute_after():
    index = DedupIndex(10 * MINUTE)
    index.add(b"a", 5 * MINUTE)
    index.add(b"b", 6 * MINUTE + 1)
    index.evict(15 * MINUTE)
    assert b"a" in index
    index.evict(16 * MINUTE)
    assert b"a" not in index
    assert b"b" in index
    index.evict(18 * MINUTE)
    assert len(index) == 0


def test_an_id_that_comes_late_or_twice_is_kept_once():
    index = DedupIndex(MINUTE)
    index.add(b"a", 5 * MINUTE)
    index.add(b"b", 4 * MINUTE)
    index.add(b"a", 9 * MINUTE)
    assert len(index) == 2
    index.evict(20 * MINUTE)
    assert len(index) == 0


def test_memory_follows_the_window_not_the_traffic():
    index = DedupIndex(2 * MINUTE)
    for number in range(20_000):
        index.add(number.to_bytes(16), number * MINUTE // 100)
        index.evict(number * MINUTE // 100)
        assert len(index) <= 400
