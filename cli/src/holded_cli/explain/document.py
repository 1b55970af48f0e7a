"""An explanation as JSON. Pure."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from holded_cli.explain.run import Accepted, Rejected
from holded_cli.explain.steps import Steps
from holded_contracts import wire
from holded_contracts.identity import format_event_id
from holded_worker.domain.process import Rules

OUTCOMES = ("silver", "dead_letter", "duplicate", "rejected")


def as_json(explained: list[Accepted | Rejected], rules: Rules, received_at: int) -> dict[str, Any]:
    """Return the whole explanation; `received_at` in microseconds."""
    events = [_event(index, event, rules) for index, event in enumerate(explained)]
    counts = Counter(event["outcome"]["output"] for event in events)
    return {
        "rules": rules.version,
        "received_at": _utc(received_at),
        "events": events,
        "summary": {"events": len(events), **{name: counts[name] for name in OUTCOMES}},
    }


def _event(index: int, event: Accepted | Rejected, rules: Rules) -> dict[str, Any]:
    if isinstance(event, Rejected):
        errors = [{"field": problem.field, "message": problem.message} for problem in event.problems]
        return {"index": index, "outcome": {"output": "rejected", "stage": "collector", "errors": errors}}
    return {
        "index": index,
        "type": event.type,
        "identity": {
            "event_id": format_event_id(event.event_id),
            "from": "content" if event.id_header is None else f"headers.{event.id_header}",
        },
        **_steps(event, rules),
        "outcome": _outcome(event),
    }


def _outcome(event: Accepted) -> dict[str, Any]:
    if event.dead is not None:
        return {"output": "dead_letter", **{name: event.dead[name] for name in ("stage", "reason", "detail")}}
    if event.duplicate_of is not None:
        return {"output": "duplicate", "of": event.duplicate_of}
    return {"output": "silver"}


def _steps(event: Accepted, rules: Rules) -> dict[str, Any]:
    steps = event.steps
    if steps is None:
        return {}
    _, envelope, facts, context, quality = steps.scored
    return {
        "sanitize": {"changes": envelope.sanitized},
        "enrich": {
            "domain": envelope.type.domain,
            "entity": envelope.type.entity,
            "action": envelope.type.action,
            "context_stamps": [f"headers.{name}" for name in steps.stamps],
            "account_id": envelope.account_id,
            "user_id": envelope.user_id,
            "occurred_at": _utc(facts.time.at),
            "occurred_at_source": facts.time.source,
            "rejected_times": list(facts.time.rejected),
            "lag_seconds": facts.lag / 1_000_000,
            "amount": None if facts.money.amount is None else f"{facts.money.amount:.{wire.AMOUNT_SCALE}f}",
            "currency": facts.money.currency,
            "money_notes": list(facts.money.notes),
        },
        "classify": {
            "business_context": context,
            "rule": _winner(steps, rules),
            "tried": [
                {"rule": rule_name(number, rules), "context": attempt.context, "mismatch": attempt.mismatch}
                for number, attempt in enumerate(steps.attempts)
            ],
        },
        "quality": {
            "score": quality.score,
            "checks": [
                {
                    "dimension": check.dimension,
                    "check": check.name,
                    "weight": round(check.weight, 6),
                    "passed": check.passed,
                    "score": round(check.weight, 6) if check.passed else 0.0,
                }
                for check in steps.checks
            ],
        },
    }


def _winner(steps: Steps, rules: Rules) -> str | None:
    """Return the name of the rule that matched; None when none did."""
    if not steps.attempts or steps.attempts[-1].mismatch is not None:
        return None
    return rule_name(len(steps.attempts) - 1, rules)


def rule_name(number: int, rules: Rules) -> str:
    """Return the path of a rule of the resource, or the number, from 1, of a built-in one."""
    own = len(rules.classification)
    return f"spec.worker.classification.rules[{number}]" if number < own else f"built-in rule {number - own + 1}"


def _utc(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
