"""Adding to an event what can be derived from it: when it happened, how late it came, what it is worth."""

from typing import NamedTuple

from holded_worker.domain.envelope import Envelope
from holded_worker.domain.money import Money, find_money
from holded_worker.domain.times import EventTime, find_event_time


class Facts(NamedTuple):
    """What the event's data tell."""

    time: EventTime
    lag: int
    """Microseconds from event time to receipt; negative when the event's clock runs ahead."""
    money: Money


def enrich(envelope: Envelope, received_at: int) -> Facts:
    """Return the facts of a valid event."""
    time = find_event_time(envelope.data, envelope.headers, received_at)
    return Facts(time, received_at - time.at, find_money(envelope.data, envelope.data_json))
