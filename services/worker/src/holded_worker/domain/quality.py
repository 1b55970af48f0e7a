"""Scoring an event: named checks in four dimensions, so that a score can be explained."""

from typing import Any, NamedTuple

from holded_contracts.settings import QualityWeights
from holded_worker.domain.enrich import Facts
from holded_worker.domain.envelope import Envelope

SCORE_DECIMALS = 4
DIMENSIONS = ("completeness", "validity", "consistency", "timeliness")
_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

type Checks = dict[str, dict[str, bool]]
"""Result of each check by dimension and name."""


class Quality(NamedTuple):
    """A score and what it is made of."""

    score: float
    """0.0 to 1.0, rounded to SCORE_DECIMALS."""
    checks: Checks


def score(envelope: Envelope, facts: Facts, weights: QualityWeights) -> Quality:
    """Return the weighted mean of the dimensions, each the share of its checks that passed."""
    checks = {
        "completeness": _completeness(envelope, facts),
        "validity": _validity(envelope, facts),
        "consistency": _consistency(envelope, facts),
        "timeliness": _timeliness(facts),
    }
    shares = {dimension: sum(results.values()) / len(results) for dimension, results in checks.items()}
    given, total = _given(weights)
    weighted = sum(given[dimension] * share for dimension, share in shares.items())
    return Quality(round(min(1.0, weighted / total), SCORE_DECIMALS), checks)


def check_weights(checks: Checks, weights: QualityWeights) -> dict[str, float]:
    """Return what each check of a dimension adds to the score when it passes; all checks together add 1."""
    given, total = _given(weights)
    return {dimension: given[dimension] / total / len(results) for dimension, results in checks.items()}


def _given(weights: QualityWeights) -> tuple[dict[str, float], float]:
    """Return the weight of each dimension, and their sum."""
    given = {dimension: getattr(weights, dimension) for dimension in DIMENSIONS}
    total = sum(given.values())
    if total <= 0:  # nobody cares for any dimension more than for another
        return dict.fromkeys(given, 1.0), float(len(given))
    return given, total


def _completeness(envelope: Envelope, facts: Facts) -> dict[str, bool]:
    return {
        "has_account": envelope.account_id is not None,
        "has_user": envelope.user_id is not None,
        "has_subscription": envelope.target_subscription is not None,
        "has_entity_id": _has_entity_id(envelope),
        "has_event_time": facts.time.source != "received_at",
    }


def _has_entity_id(envelope: Envelope) -> bool:
    entity = envelope.type.entity
    names = ("id", "uuid", "_id", f"{entity[:1].lower()}{entity[1:]}Id")
    return any(envelope.data.get(name) not in {None, ""} for name in names if _is_scalar(envelope.data.get(name)))


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _validity(envelope: Envelope, facts: Facts) -> dict[str, bool]:
    return {
        "data_not_empty": bool(envelope.data),
        "nothing_sanitized": not envelope.sanitized,
        "times_readable": not facts.time.rejected,
        "money_readable": not facts.money.notes,
    }


def _consistency(envelope: Envelope, facts: Facts) -> dict[str, bool]:
    subscription = envelope.target_subscription
    return {
        "subscription_is_domain": subscription is None or subscription.casefold() == envelope.type.domain.casefold(),
        "amount_has_currency": facts.money.amount is None or facts.money.currency is not None,
        "not_ahead_of_receipt": facts.lag >= -5 * _MINUTE,
    }


def _timeliness(facts: Facts) -> dict[str, bool]:
    """Take an event without a time of its own to be on time: completeness has counted that already."""
    return {
        "within_5_minutes": facts.lag <= 5 * _MINUTE,
        "within_1_hour": facts.lag <= _HOUR,
        "within_1_day": facts.lag <= _DAY,
    }
