"""Scoring an event: named checks in four dimensions, so that a score can be explained."""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

import orjson

from holded_contracts.settings import QualityWeights
from holded_worker.domain.enrich import Facts
from holded_worker.domain.envelope import Envelope
from holded_worker.domain.memo import Latest

SCORE_DECIMALS = 4
_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

CHECKS = {
    "completeness": ("has_account", "has_user", "has_subscription", "has_entity_id", "has_event_time"),
    "validity": ("data_not_empty", "nothing_sanitized", "times_readable", "money_readable"),
    "consistency": ("subscription_is_domain", "amount_has_currency", "not_ahead_of_receipt"),
    "timeliness": ("within_5_minutes", "within_1_hour", "within_1_day"),
}
"""Names of the checks of each dimension, in the order in which `_passed` returns their results."""

type Checks = dict[str, dict[str, bool]]
"""Result of each check by dimension and name."""


class Quality(NamedTuple):
    """A score and what it is made of; shared by all events with the same results, so not to be changed."""

    score: float
    """0.0 to 1.0, rounded to SCORE_DECIMALS."""
    checks: Checks
    checks_json: bytes
    """The checks as JSON text."""


def score(envelope: Envelope, facts: Facts, weights: QualityWeights) -> Quality:
    """Return the weighted mean of the dimensions, each the share of its checks that passed."""
    return _GRADERS.of(weights)(_passed(envelope, facts))


def _passed(envelope: Envelope, facts: Facts) -> tuple[bool, ...]:
    """Return the result of each check.

    An event without a time of its own counts as on time: completeness has counted that already.
    """
    _, kind, account_id, user_id, subscription, data, *_, sanitized = envelope
    time, lag, money = facts
    return (
        account_id is not None,
        user_id is not None,
        subscription is not None,
        _has_entity_id(data, kind.entity),
        time.source != "received_at",
        bool(data),
        not sanitized,
        not time.rejected,
        not money.notes,
        subscription is None or subscription == kind.domain or subscription.casefold() == kind.domain.casefold(),
        money.amount is None or money.currency is not None,
        lag >= -5 * _MINUTE,
        lag <= 5 * _MINUTE,
        lag <= _HOUR,
        lag <= _DAY,
    )


def _grader(weights: QualityWeights) -> Callable[[tuple[bool, ...]], Quality]:
    return lru_cache(maxsize=4096)(partial(_graded, weights))  # nearly all events have one of some dozen results


_GRADERS = Latest(_grader)


def _graded(weights: QualityWeights, passed: tuple[bool, ...]) -> Quality:
    results = iter(passed)
    checks = {
        dimension: dict(zip(names, islice(results, len(names)), strict=True)) for dimension, names in CHECKS.items()
    }
    shares = {dimension: sum(found.values()) / len(found) for dimension, found in checks.items()}
    given, total = _given(weights)
    weighted = sum(given[dimension] * share for dimension, share in shares.items())
    return Quality(round(min(1.0, weighted / total), SCORE_DECIMALS), checks, orjson.dumps(checks))


def _has_entity_id(data: dict[str, Any], entity: str) -> bool:
    for name in _id_names(entity):
        value = data.get(name)
        if value is not None and value != "" and not isinstance(value, (dict, list)):
            return True
    return False


def check_weights(checks: Checks, weights: QualityWeights) -> dict[str, float]:
    """Return what each check of a dimension adds to the score when it passes; all checks together add 1."""
    given, total = _given(weights)
    return {dimension: given[dimension] / total / len(results) for dimension, results in checks.items()}


def _given(weights: QualityWeights) -> tuple[dict[str, float], float]:
    """Return the weight of each dimension, and their sum."""
    given = {dimension: getattr(weights, dimension) for dimension in CHECKS}
    total = sum(given.values())
    if total <= 0:  # nobody cares for any dimension more than for another
        return dict.fromkeys(given, 1.0), float(len(given))
    return given, total


@lru_cache(maxsize=1024)
def _id_names(entity: str) -> tuple[str, ...]:
    return ("id", "uuid", "_id", f"{entity[:1].lower()}{entity[1:]}Id")
