"""Counting a batch: increments per minute, account, business context and type."""

from collections.abc import Iterable
from typing import Any

from holded_contracts import wire
from holded_contracts.canary import is_canary
from holded_worker.domain.records import SilverRecord

WINDOW = 60_000_000
"""Length of a window in microseconds of event time."""
_UNITS = 10**wire.AMOUNT_SCALE


def increments(silver: Iterable[SilverRecord], now: int) -> list[dict[str, Any]]:
    """Return one increment (fields of analytics.avsc) for each window in the records.

    Increments of a window add up exactly whatever batches its events came in: they are sums of whole ten-thousandths.
    Canaries are not counted: they are nobody's events.
    """
    sums: dict[tuple[int, str | None, str, str, str], list[int]] = {}
    for record in silver:
        if is_canary(record["source"]):
            continue
        key = (
            record["occurred_at"] // WINDOW,
            record["account_id"],
            record["business_context"],
            record["type"],
            record["pipeline_version"],
        )
        counted = sums.get(key)
        if counted is None:
            counted = sums[key] = [0, 0, 0]
        counted[0] += 1
        amount = record["amount"]
        if amount is not None:
            counted[1] += int.from_bytes(amount, "big", signed=True)
        counted[2] += round(record["quality_score"] * _UNITS)
    return [
        {
            "window_start": window * WINDOW,
            "account_id": account,
            "business_context": context,
            "type": event_type,
            "count": count,
            "amount_sum": wire.unscaled_to_bytes(amount_sum),
            "quality_sum": wire.unscaled_to_bytes(quality_sum),
            "processed_at": now,
            "pipeline_version": version,
        }
        for (window, account, context, event_type, version), (count, amount_sum, quality_sum) in sums.items()
    ]
