"""What the worker would make of an event that is sent again, by the worker's own code. Pure."""

from dataclasses import dataclass

from holded_cli.replay.letters import Replay
from holded_contracts.reasons import DeadLetterReason
from holded_worker.domain.process import Rules, process_event
from holded_worker.domain.records import RawEvent

_RULES = Rules("dry run")
"""A resource's rules and weights decide what an event is, never whether it is taken."""


@dataclass(frozen=True)
class Verdict:
    """Whether the worker would take it, and if not, why."""

    accepted: bool
    reason: str | None = None
    detail: str | None = None

    def __str__(self) -> str:
        return "accept it" if self.accepted else f"refuse it: {self.reason}: {self.detail}"


def verdict_on(replay: Replay) -> Verdict:
    """Try an event; nothing is sent. The sink may still refuse what fits no column."""
    fields = replay.fields
    event = RawEvent(
        topic="",
        partition=0,
        offset=0,
        schema_id=0,
        event_id=fields["event_id"],
        received_at=fields["received_at"],
        type=fields["type"],
        source=fields["source"],
        payload=fields["payload"],
    )
    try:
        dead = process_event(event, _RULES, fields["received_at"]).dead
    except Exception as error:  # noqa: BLE001 -- the very bug that made it a dead letter may raise anything
        return Verdict(accepted=False, reason=DeadLetterReason.PROCESSING_ERROR.value, detail=repr(error))
    if dead is None:
        return Verdict(accepted=True)
    return Verdict(accepted=False, reason=dead["reason"], detail=dead["detail"])
