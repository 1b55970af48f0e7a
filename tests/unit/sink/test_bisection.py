import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_sink.bisection import find_refused
from holded_sink.errors import SystemicError


@given(st.integers(1, 300), st.sets(st.integers(0, 299)))
def test_exactly_the_refused_items_are_found(size, refused):
    refused = {item for item in refused if item < size}
    tries = 0

    def try_out(items):
        nonlocal tries
        tries += 1
        return "no" if refused.intersection(items) else None

    assert find_refused(range(size), try_out) == [(item, "no") for item in sorted(refused)]
    assert tries <= 1 + 2 * len(refused) * math.ceil(math.log2(size) if size > 1 else 0)


def test_items_refused_only_together_are_a_systemic_fault():
    with pytest.raises(SystemicError):
        find_refused(range(8), lambda items: "too many" if len(items) > 4 else None)
