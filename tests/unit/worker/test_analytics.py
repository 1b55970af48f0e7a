"""Increments of a window add up exactly, however its events were batched."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holded_contracts.wire import decimal_from_bytes, decimal_to_bytes
from holded_worker.domain.analytics import increments

NOW = 1


def record(occurred_at, account="a", amount="1.0000", score=0.5, event_type="t"):
    return {
        "occurred_at": occurred_at,
        "account_id": account,
        "business_context": "c",
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


RECORDS = st.lists(
    st.builds(
        record,
        st.integers(0, 200_000_000),
        st.sampled_from(["a", "b", None]),
        st.none() | st.decimals(-(10**16) + 1, 10**16 - 1, places=4).map(str),
        st.integers(0, 10_000).map(lambda value: value / 10_000),
    ),
    max_size=30,
)


def totals(batches):
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for batch in batches:
        for one in increments(batch, NOW):
            total = sums[one["window_start"], one["account_id"]]
            total[0] += one["count"]
            total[1] += decimal_from_bytes(one["amount_sum"])
            total[2] += decimal_from_bytes(one["quality_sum"])
    return dict(sums)


@given(RECORDS, st.integers(0, 30))
def test_batching_makes_no_difference(records, cut):
    assert totals([records]) == totals([records[:cut], records[cut:]])
