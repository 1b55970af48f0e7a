"""What each step of the worker did to one event, from the very functions that the steps of the pipeline call. Pure."""

from typing import Any, NamedTuple

from holded_worker.domain.classify import Attempt
from holded_worker.domain.decode import decode
from holded_worker.domain.envelope import context_stamps
from holded_worker.domain.process import (
    Opened,
    Rules,
    Scored,
    classification_attempts,
    classify_event,
    enrich_event,
    open_event,
    score_event,
)
from holded_worker.domain.quality import check_weights
from holded_worker.domain.records import RawRecord, Refusal


class Check(NamedTuple):
    """One check of the quality score."""

    dimension: str
    name: str
    passed: bool
    weight: float
    """What the check adds to the score when it passes."""


class Steps(NamedTuple):
    """All that the steps found out about a valid event."""

    scored: Scored
    stamps: tuple[str, ...]
    """Headers that are context stamps."""
    attempts: tuple[Attempt, ...]
    """Rules that were tried, those of the resource first."""
    checks: tuple[Check, ...]


class _OneSchema:
    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def writer_schema(self, _: int) -> Any:
        """Return the schema that every record of this run was written with."""
        return self._schema


def trace(record: RawRecord, raw_schema: Any, rules: Rules) -> Steps | None:
    """Take one record through the steps and keep what each of them found; None for one that validation refuses."""
    event = decode(record, _OneSchema(raw_schema))
    opened = event if isinstance(event, Refusal) else open_event(event, rules)
    if not isinstance(opened, Opened):
        return None
    enriched = enrich_event(opened)
    scored = score_event(classify_event(enriched, rules), rules)
    weights = check_weights(scored.quality.checks, rules.weights)
    return Steps(
        scored,
        tuple(context_stamps(opened.envelope.headers)),
        tuple(classification_attempts(enriched, rules)),
        tuple(
            Check(dimension, name, passed, weights[dimension])
            for dimension, results in scored.quality.checks.items()
            for name, passed in results.items()
        ),
    )
