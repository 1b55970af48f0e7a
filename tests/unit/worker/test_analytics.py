"""Increments of a window add up exactly, however its events were batched."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holded_contracts.canary import canary_source
from holded_contracts.topics import Artefact
from holded_contracts.wire import decimal_from_bytes, decimal_to_bytes, decode, encode, frame, parsed_schema
from holded_worker.domain.analytics import WINDOW, increments

NOW = 1


def record(occurred_at, *, account="a", amount="1.0000", score=0.5, event_type="t", context="c", source=None):
    return {
        "source": source,
        "occurred_at": occurred_at,
        "account_id": account,
        "business_context": context,
        "type": event_type,
        "pipeline_version": "v",
        "amount": None if amount is None else decimal_to_bytes(Decimal(amount)),
        "quality_score": score,
    }


def test_one_increment_for_each_minute_and_key():
    found = increments(
        [record(0), record(59_999_999, amount=None, score=0.1234), record(60_000_000), record(0, account=None)], NOW
    )
    assert [(one["window_start"], one["account_id"], one["count"]) for one in found] == [
        (0, "a", 2),
        (60_000_000, "a", 1),
        (0, None, 1),
    ]
    assert decimal_from_bytes(found[0]["amount_sum"]) == Decimal("1.0000")
    assert decimal_from_bytes(found[0]["quality_sum"]) == Decimal("0.6234")


def test_canaries_are_in_no_window():
    found = increments([record(0, source="shop"), record(0, source=canary_source("collector-0")), record(0)], NOW)
    assert [one["count"] for one in found] == [2]


RECORDS = st.lists(
    st.builds(
        record,
        st.integers(0, 4 * WINDOW) | st.integers(0, 10**16),
        account=st.sampled_from(["a", "b", None]),
        amount=st.none() | st.decimals(-(10**16) + 1, 10**16 - 1, places=4).map(str),
        score=st.integers(0, 10_000).map(lambda value: value / 10_000),
        event_type=st.sampled_from(["t", "u"]),
        context=st.sampled_from(["c", "d"]),
    ),
    max_size=40,
)

KEY = ("window_start", "account_id", "business_context", "type")


def reference(records):
    """Return count, sum of amounts and mean quality of each window, from all its records at once."""
    windows: dict[Any, list[Any]] = defaultdict(list)
    for one in records:
        minute = one["occurred_at"] - one["occurred_at"] % 60_000_000
        windows[minute, one["account_id"], one["business_context"], one["type"]].append(one)
    return {
        key: (
            len(members),
            sum((decimal_from_bytes(one["amount"]) for one in members if one["amount"] is not None), Decimal(0)),
            sum(Fraction(str(one["quality_score"])) for one in members) / len(members),
        )
        for key, members in windows.items()
    }


@given(RECORDS, st.randoms(use_true_random=False), st.sets(st.integers(0, 40)))
def test_increments_add_up_to_the_reference_in_any_order_and_any_batches(records, random, cuts):
    """Late events too: a window's increments come in any batch, and each of them corrects it."""
    late = random.sample(records, len(records))
    bounds = [0, *sorted(cut for cut in cuts if cut < len(late)), len(late)]
    schema = parsed_schema(Artefact.ANALYTICS)
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for start, end in pairwise(bounds):
        found = increments(late[start:end], NOW)
        keys = [tuple(one[name] for name in KEY) for one in found]
        assert len(set(keys)) == len(keys), "one increment for each window of a batch"
        for key, made in zip(keys, found, strict=True):
            one = decode(encode(frame(1), schema, made), schema, None)
            sums[key][0] += one["count"]
            sums[key][1] += decimal_from_bytes(one["amount_sum"])
            sums[key][2] += decimal_from_bytes(one["quality_sum"])
    assert {key: (count, amount, Fraction(quality) / count) for key, (count, amount, quality) in sums.items()} == (
        reference(records)
    )


def test_increments_of_two_versions_are_kept_apart():
    found = increments([record(0), {**record(0), "pipeline_version": "w"}], NOW)
    assert [(one["count"], one["pipeline_version"]) for one in found] == [(1, "v"), (1, "w")]
