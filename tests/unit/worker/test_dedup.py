"""The index knows exactly the ids of its window."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holded_worker.dedup import DedupIndex, shrunk_to

MINUTE = 60_000_000
A, B = b"a" * 16, b"b" * 16


def number(value: int) -> bytes:
    return value.to_bytes(16)


def test_ids_stay_for_the_window_and_leave_within_a_64th_of_it_after():
    index = DedupIndex(64 * MINUTE)
    index.add(A, 5 * MINUTE)
    index.add(B, 6 * MINUTE)
    index.evict(69 * MINUTE)
    assert A in index
    index.evict(70 * MINUTE)
    assert A not in index
    assert B in index
    index.evict(71 * MINUTE)
    assert len(index) == 0


def test_an_id_that_comes_late_or_twice_is_kept_once():
    index = DedupIndex(MINUTE)
    index.add(A, 5 * MINUTE)
    index.add(B, 4 * MINUTE)
    index.add(A, 9 * MINUTE)
    assert len(index) == 2
    index.evict(20 * MINUTE)
    assert len(index) == 0


def test_memory_follows_the_window_not_the_traffic():
    index = DedupIndex(2 * MINUTE)
    for value in range(20_000):
        index.add(number(value), value * MINUTE // 100)
        index.evict(value * MINUTE // 100)
        assert len(index) <= 210
    assert index.size < 210 * 60


def test_an_id_takes_less_than_30_bytes():
    index = DedupIndex(60 * MINUTE)
    for value in range(200_000):
        index.add(number(value), value)
    assert index.size < 30 * len(index)


def test_ids_that_begin_alike_are_told_apart_also_where_two_meet():
    index = DedupIndex(MINUTE)
    ids = [b"\0" * 16, b"\0" * 15 + b"\1", b"\1" + b"\0" * 15, bytes(range(16))]
    for one in ids[:3]:
        index.add(one, 0)
    assert [one in index for one in ids] == [True, True, True, False]
    assert "text" not in index


def test_an_id_of_another_length_is_a_bug():
    with pytest.raises(ValueError, match="16 bytes, not 1"):
        DedupIndex(MINUTE).add(b"a", 0)


def test_the_oldest_ids_leave_first_when_there_is_no_room():
    index = DedupIndex(60 * MINUTE, max_ids=6400)
    for value in range(6400):
        index.add(number(value), 0)
    assert index.shrink() == 100
    assert [number(value) in index for value in (0, 99, 100, 6399)] == [False, False, True, True]


def test_one_cap_holds_for_all_indexes_and_the_largest_gives_first():
    small, large = DedupIndex(60 * MINUTE, max_ids=6400), DedupIndex(60 * MINUTE, max_ids=6400)
    small.add_new(map(number, range(300)), 0)
    large.add_new(map(number, range(300, 1300)), 0)
    forgotten = list(shrunk_to(1_000, [small, large]))
    assert len(small) == 300
    assert len(small) + len(large) <= 1_000
    assert sum(forgotten) == 1300 - len(small) - len(large)
    assert list(shrunk_to(1_000, [small, large])) == []


def test_more_slices_than_stamps_never_mix():
    index = DedupIndex(10 * MINUTE, max_ids=64)
    for value in range(1000):
        index.add(number(value), value)
        if len(index) > 64:
            assert index.shrink() > 0
    assert len(index) == 64
    assert number(999) in index
    assert number(999 - 64) not in index


class AgainstASet(RuleBasedStateMachine):
    """Whatever is done in whatever order, the index says what a dict of ids would say."""

    def __init__(self):
        super().__init__()
        self.index = DedupIndex(64_000_000)
        self.model: dict[bytes, int] = {}
        self.now = 0

    @rule(ids=st.lists(st.integers(0, 5000), max_size=300))
    def add(self, ids):
        for value in ids:
            self.index.add(number(value), self.now)
            self.model.setdefault(number(value), self.now)

    @rule(seconds=st.integers(1, 100))
    def time_passes(self, seconds):
        self.now += seconds * 1_000_000
        self.index.evict(self.now)
        oldest = self.now - 64_000_000
        self.model = {one: at for one, at in self.model.items() if at >= oldest or one in self.index}
        assert all(at >= oldest - 1_000_000 for at in self.model.values())

    @invariant()
    def says_what_a_set_would_say(self):
        assert len(self.index) == len(self.model)
        assert all(one in self.index for one in self.model)
        assert all(number(value) not in self.index for value in range(5001, 5010))


TestAgainstASet = AgainstASet.TestCase
TestAgainstASet.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
