"""G5 with canaries among the records of raw."""

from hypothesis import given
from hypothesis import strategies as st

from holded_contracts.ledger import accepted_events, in_flight

COUNTS = st.integers(0, 10**6)


def test_a_canary_on_its_way_is_one_event_in_flight_and_none_when_it_has_arrived() -> None:
    settled = {"gold": 7, "dead_letters": 2, "duplicates": 1}
    on_its_way = accepted_events(11, 0)
    assert (on_its_way, in_flight(on_its_way, **settled)) == (11, 1)
    arrived = accepted_events(11, 1)
    assert (arrived, in_flight(arrived, **settled)) == (10, 0)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_what_has_arrived_never_counts_as_accepted_and_nothing_else_is_left_out(
    gold: int, dead_letters: int, duplicates: int, waiting: int, canaries: int
) -> None:
    accepted = accepted_events(gold + dead_letters + duplicates + waiting + canaries, canaries)
    assert accepted == gold + dead_letters + duplicates + waiting
    assert in_flight(accepted, gold=gold, dead_letters=dead_letters, duplicates=duplicates) == waiting
