"""Canaries: counted apart from everybody's events, and the newest one kept for what it tells about latency. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from holded_contracts.canary import canary_pod
from holded_contracts.topics import Artefact
from holded_sink.batch import Decoded, Source
from holded_sink.rows import moment_or_none


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary that has come as far as gold."""

    source: Source
    pod: str
    sent_at: datetime | None
    """UTC; None for one that only came as a dead letter, or not whole: it has not arrived as an event would."""


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """The newest canary in gold; times are UTC without a zone."""

    sent_at: datetime
    latency_ms: int


def canary_of(item: Decoded, *, refused: bool) -> Canary:
    """Return what is kept of a record whose source says that it is a canary."""
    arrived = item.record.source.artefact is Artefact.SILVER and not refused
    sent_at = moment_or_none(item.fields["received_at"]) if arrived else None
    return Canary(item.record.source, canary_pod(item.fields["source"]), sent_at)


def newest(canaries: Iterable[Canary]) -> tuple[str, datetime] | None:
    """Return pod and time of the one sent last, None when none has arrived."""
    arrived = [(one.sent_at, one.pod) for one in canaries if one.sent_at is not None]
    if not arrived:
        return None
    sent_at, pod = max(arrived)
    return pod, sent_at
