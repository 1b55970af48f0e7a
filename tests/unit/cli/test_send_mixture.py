"""The shares of a generated run are met exactly, wherever it ends."""

import math
from collections import Counter
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_cli.samples import Kind
from holded_cli.send.mixture import BLOCK, MixtureError, Shares


@st.composite
def shares(draw):
    parts = draw(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(sum))
    whole = sum(parts)
    duplicates, rejected, dead_letters, gold = parts
    if not gold:
        duplicates = 0
        whole = max(1, rejected + dead_letters)
    return Shares(*(Fraction(part, whole) for part in (duplicates, rejected, dead_letters)))


totals = st.integers(0, 5000)
DEMANDING = Shares.of(duplicates=0.05, rejected=0.01, dead_letters=0.01)


def wanted(mixture, total):
    of = {Kind.DUPLICATE: mixture.duplicates, Kind.REJECTED: mixture.rejected, Kind.DEAD_LETTER: mixture.dead_letters}
    return {Kind.GOLD: total * (1 - mixture.faults)} | {kind: total * share for kind, share in of.items()}


@given(shares(), totals)
def test_every_total_is_split_completely_and_close_to_the_shares(mixture, total):
    counts = mixture.counts(total)
    assert sum(counts.values()) == total
    assert min(counts.values()) >= 0
    assert all(abs(counts[kind] - exact) < 2 for kind, exact in wanted(mixture, total).items())


@given(shares(), st.integers(1, 30))
def test_where_every_share_is_a_whole_number_of_events_it_is_met_exactly(mixture, times):
    parts = (mixture.duplicates, mixture.rejected, mixture.dead_letters)
    total = times * math.lcm(*(part.denominator for part in parts))
    assert mixture.counts(total) == wanted(mixture, total)


@given(shares(), totals, st.integers(0, 500))
def test_no_count_falls_as_the_run_goes_on(mixture, total, more):
    before, after = mixture.counts(total), mixture.counts(total + more)
    assert all(after[kind] >= before[kind] for kind in Kind)


@given(st.integers(), st.integers(100, 3 * BLOCK))
def test_a_run_has_exactly_the_counts_of_its_total(seed, total):
    assert Counter(DEMANDING.kinds(seed, total)) == Counter(DEMANDING.counts(total))


@given(st.integers())
def test_a_run_without_end_has_the_shares_after_each_block(seed):
    kinds = list(islice(DEMANDING.kinds(seed, None), 2 * BLOCK))
    for block in (kinds[:BLOCK], kinds[BLOCK:]):
        assert Counter(block) == {Kind.GOLD: 930, Kind.DUPLICATE: 50, Kind.REJECTED: 10, Kind.DEAD_LETTER: 10}


@given(st.integers(), st.integers(3, 40))
def test_something_to_duplicate_always_comes_first(seed, total):
    mostly_copies = Shares.of(duplicates=0.6, rejected=0.1)
    assert next(iter(mostly_copies.kinds(seed, total))) is Kind.GOLD


def test_the_seed_decides_the_order():
    one, same, other = (list(DEMANDING.kinds(seed, BLOCK)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_decimal_shares_are_taken_as_they_are_written():
    assert Shares.of(duplicates=0.1).counts(10) == wanted(Shares(Fraction(1, 10)), 10)
    assert Shares.of(rejected=1e-05).rejected == Fraction(1, 100_000)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"duplicates": -0.1}, "from 0 to 1"),
        ({"rejected": 0.6, "dead_letters": 0.5}, "together at most 1"),
        ({"duplicates": 0.5, "rejected": 0.5}, "the shares leave none"),
    ],
)
def test_shares_that_make_no_run_are_refused(shares, message):
    with pytest.raises(MixtureError, match=message):
        Shares.of(**shares)


def test_a_run_too_short_for_an_original_is_refused_before_it_starts():
    with pytest.raises(MixtureError, match="copies of nothing"):
        Shares.of(duplicates=0.9).kinds(1, 1)


def test_a_run_may_be_nothing_but_faults():
    assert set(Shares.of(rejected=0.5, dead_letters=0.5).kinds(1, 10)) == {Kind.REJECTED, Kind.DEAD_LETTER}
