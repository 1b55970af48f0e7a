"""An explanation for people: a table for each event, made from the JSON document. Pure."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

_STYLES = {"silver": "green", "dead_letter": "red", "duplicate": "yellow", "rejected": "red"}

_PLURALS = {"silver": "silver", "dead_letter": "dead letters", "duplicate": "duplicates", "rejected": "rejected"}

type Line = tuple[str, str | Text]
"""A step, and what it did."""


def render(document: dict[str, Any]) -> Group:
    """Return a table for each event and a line that counts the outcomes."""
    summary = document["summary"]
    counts = ", ".join(f"{summary[name]} {plural}" for name, plural in _PLURALS.items() if summary[name])
    total = f"{summary['events']} events received {document['received_at']}, rules {document['rules']}: {counts}"
    return Group(*(_table(event) for event in document["events"]), Text(total))


def _table(event: dict[str, Any]) -> Table:
    table = Table(
        title=Text(f"[{event['index']}] {event.get('type', '')}".rstrip()), title_justify="left", show_header=False
    )
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step, did in _lines(event):
        table.add_row(step, did if isinstance(did, Text) else Text(did))
    return table


def _lines(event: dict[str, Any]) -> Iterator[Line]:
    if "identity" in event:
        source = event["identity"]["from"]
        yield "identity", f"{event['identity']['event_id']} from " + ("its content" if source == "content" else source)
    yield "validate", "\n".join(_problems(event["outcome"])) or "nothing wrong"
    if "enrich" in event:
        changes = event["sanitize"]["changes"]
        yield "sanitize", "\n".join(_change(change) for change in changes) or "nothing to change"
        yield "enrich", "\n".join(_facts(event["enrich"]))
        yield "classify", _classified(event["classify"])
        yield "quality", "\n".join(_quality(event["quality"]))
    yield "outcome", _outcome(event["outcome"])


def _problems(outcome: dict[str, Any]) -> list[str]:
    if "errors" in outcome:
        return [f"{error['field'] or 'event'}: {error['message']}" for error in outcome["errors"]]
    return outcome["detail"].split("; ") if "detail" in outcome else []


def _change(change: dict[str, str]) -> str:
    return f"{change['path']}: {change['what']}" if change["path"] else change["what"]


def _facts(facts: dict[str, Any]) -> Iterator[str]:
    yield f"{facts['domain']} / {facts['entity']} / {facts['action']}"
    stamps = ", ".join(facts["context_stamps"]) or "no context stamp"
    yield f"account {facts['account_id'] or '-'}, user {facts['user_id'] or '-'} from {stamps}"
    lag = facts["lag_seconds"]
    when = f"{lag:,.0f} s before receipt" if lag >= 0 else f"{-lag:,.0f} s after receipt"
    yield f"occurred {facts['occurred_at']} from {facts['occurred_at_source']}, {when}"
    if facts["rejected_times"]:
        yield f"not taken for a time between 2000 and receipt: {', '.join(facts['rejected_times'])}"
    if facts["amount"] is not None or facts["currency"] is not None:
        yield f"amount {facts['amount'] or '-'} {facts['currency'] or 'without currency'}"
    yield from facts["money_notes"]


def _classified(found: dict[str, Any]) -> str:
    tried = found["tried"]
    if found["rule"] is None:
        return f"{found['business_context']}: none of {len(tried)} rules matches"
    missed = [f"{attempt['rule']} ({attempt['context']}): {attempt['mismatch']} differs" for attempt in tried[:-1]]
    own = [line for line in missed if line.startswith("spec.")]
    built_in = len(missed) - len(own)
    before = [*own, *([f"{built_in} built-in rules before it do not match"] if built_in else [])]
    return "\n".join([f"{found['business_context']} by {found['rule']}", *before])


def _quality(quality: dict[str, Any]) -> Iterator[str]:
    yield f"{quality['score']:.4f}"
    for dimension, checks in groupby(quality["checks"], key=lambda check: str(check["dimension"])):
        results = list(checks)
        score = sum(check["score"] for check in results)
        weight = sum(check["weight"] for check in results)
        each = results[0]["weight"]
        listed = " ".join(f"{'✓' if check['passed'] else '✗'}{check['check']}" for check in results)
        yield f"{score:.3f} of {weight:.3f} {dimension} ({each:.3f} each): {listed}"


def _outcome(outcome: dict[str, Any]) -> Text:
    output = outcome["output"]
    text = Text(output.replace("_", " "), style=_STYLES[output])
    match output:
        case "dead_letter":
            text.append(f": {outcome['reason']}, by the {outcome['stage']}")
        case "duplicate":
            text.append(f" of [{outcome['of']}]")
        case "rejected":
            text.append(f" by the {outcome['stage']}: it never enters Kafka")
    return text
