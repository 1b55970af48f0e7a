"""Sample Holded events with known faults: the same seed always gives the same events.

`tests/data/events.json` is `render(generate(Mix()))`. Pure: no clock, no files.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from random import Random
from typing import Any

from holded_cli.sample_events import CONTROL_TEXT, EVENT_TYPES, Draw, EventType, Tenant, utc_text

CONTEXT_STAMP = r"X-Message-Stamp-Holded\Shared\Infrastructure\Messaging\Stamp\NewContextStamp"
"""Header that carries the tenant and the acting user."""

ID_HEADER = "X-Event-Id"
"""Header that carries an event's own id, where it has one."""

FIRST_MOMENT = datetime(2026, 8, 24, 6, 0, tzinfo=UTC)
PERIOD = timedelta(days=88)
"""Events happen from FIRST_MOMENT on, in this period: fixed, so that the sample never changes with the day."""

# Shares of valid events with a speciality, in the order in which `_event` asks for them.
_WITH_ID_HEADER_EVERY = 5
_WITHOUT_STAMP_EVERY = 23
_WITH_CONTROL_TEXT_EVERY = 60


class Kind(StrEnum):
    """What must become of a sample."""

    GOLD = "gold"
    """A row in `events`."""
    DUPLICATE = "duplicate"
    """Nothing: it has the event_id of an earlier sample."""
    REJECTED = "rejected"
    """The collector refuses it; it never enters Kafka."""
    DEAD_LETTER = "dead_letter"
    """The collector accepts it and the worker cannot read it: a row in `events_dead_letter`."""


@dataclass(frozen=True)
class Mix:
    """How many samples of each kind."""

    gold: int = 240
    duplicates: int = 18
    rejected: int = 10
    dead_letters: int = 12

    @property
    def accepted(self) -> int:
        """Number of samples that the collector takes."""
        return self.gold + self.duplicates + self.dead_letters


@dataclass(frozen=True)
class Sample:
    """One element of the array that is sent."""

    kind: Kind
    event: Any
    """JSON value; an object unless the sample's fault is not to be one."""
    about: str
    """What is special about it; for faults the field that is wrong."""


def generate(mix: Mix | None = None, *, seed: int = 20261120) -> list[Sample]:
    """Return the samples of a mix in the order in which they are sent; a duplicate always comes after its original."""
    mix = mix or Mix()
    random = Random(seed)  # noqa: S311 -- reproducible samples, nothing secret
    tenants = tenants_of(random)
    samples = [gold(random, tenants, number) for number in range(mix.gold)]
    samples += [
        fault(random, tenants, Kind.REJECTED, REJECTED_FAULTS[n % len(REJECTED_FAULTS)], mix.gold + n)
        for n in range(mix.rejected)
    ]
    samples += [
        fault(random, tenants, Kind.DEAD_LETTER, DEAD_LETTER_FAULTS[n % len(DEAD_LETTER_FAULTS)], mix.gold + n)
        for n in range(mix.dead_letters)
    ]
    random.shuffle(samples)
    return _with_duplicates(random, samples, mix.duplicates)


def render(samples: list[Sample]) -> str:
    """Return the samples as one JSON array, one event a line, every number exact."""
    lines = [json.dumps(sample.event, ensure_ascii=False, separators=(",", ":")) for sample in samples]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def tenants_of(random: Random) -> tuple[Tenant, ...]:
    """Return the customers of a run."""
    draw = Draw(random, FIRST_MOMENT)
    return tuple(Tenant(draw.id(), tuple(draw.id() for _ in range(4))) for _ in range(12))


def gold(random: Random, tenants: tuple[Tenant, ...], number: int, types: Sequence[EventType] = EVENT_TYPES) -> Sample:
    """Return a valid event: its number decides on type, own id, missing stamp and illegal characters."""
    event_type = types[number % len(types)]
    event = _event(random, tenants, event_type)
    about = "plain"
    if number % _WITH_ID_HEADER_EVERY == 0:
        event["headers"][ID_HEADER] = str(uuid.UUID(int=random.getrandbits(128), version=4))
        about = "own id"
    elif number % _WITHOUT_STAMP_EVERY == 1:
        del event["headers"][CONTEXT_STAMP]
        about = "no context stamp"
    if number % _WITH_CONTROL_TEXT_EVERY == 2:
        event["data"]["comment"] = CONTROL_TEXT
        about = "control characters"
    return Sample(Kind.GOLD, event, about)


def _event(random: Random, tenants: tuple[Tenant, ...], event_type: EventType) -> dict[str, Any]:
    moment = FIRST_MOMENT + PERIOD * random.random()
    draw = Draw(random, moment.replace(microsecond=moment.microsecond // 1000 * 1000))
    tenant = draw.one(tenants)
    return {
        "data": event_type.data(draw) | {"occurredAt": utc_text(draw.at)},
        "headers": {
            "type": event_type.full_name,
            "targetSubscription": event_type.context,
            CONTEXT_STAMP: {"accountId": tenant.account_id, "userId": draw.one(tenant.user_ids)},
        },
    }


def _with_duplicates(random: Random, samples: list[Sample], count: int) -> list[Sample]:
    """Put copies of gold samples behind their originals: equal, in another key order, or equal by id header only."""
    originals = [(place, sample) for place, sample in enumerate(samples) if sample.kind is Kind.GOLD]
    placed = [(float(place), sample) for place, sample in enumerate(samples)]
    for number, (place, original) in enumerate(random.sample(originals, min(count, len(originals)))):
        later = place + (len(samples) - place) * (1.0 - random.random())
        placed.append((later, copy_of(original, reordered=number % 2 == 1)))
    return [sample for _, sample in sorted(placed, key=itemgetter(0))]


def copy_of(original: Sample, *, reordered: bool) -> Sample:
    """Return a duplicate of a gold sample: another header where its own id tells it, else the same event."""
    headers = original.event["headers"]
    if ID_HEADER in headers:
        redelivered = original.event | {"headers": headers | {"X-Redelivery-Attempt": 2}}
        return Sample(Kind.DUPLICATE, redelivered, "same id header, another header")
    if reordered:
        return Sample(Kind.DUPLICATE, _reversed_keys(original.event), "other key order")
    return Sample(Kind.DUPLICATE, original.event, "exact copy")


def _reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed_keys(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_reversed_keys(item) for item in value]
    return value


type Fault = tuple[str, Callable[[dict[str, Any]], Any]]
"""The field that is wrong, and what turns a valid event into a wrong one."""


def fault(
    random: Random,
    tenants: tuple[Tenant, ...],
    kind: Kind,
    wrong: Fault,
    number: int,
    *,
    types: Sequence[EventType] = EVENT_TYPES,
) -> Sample:
    """Return an event with this fault."""
    about, spoil = wrong
    return Sample(kind, spoil(_event(random, tenants, types[number % len(types)])), about)


def _header(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda event: event | {"headers": event["headers"] | {name: value}}


def _data(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda event: event | {"data": value}


REJECTED_FAULTS: tuple[Fault, ...] = (
    ("headers missing", lambda event: {"data": event["data"]}),
    ("headers not an object", lambda event: event | {"headers": ["type", event["headers"]["type"]]}),
    (
        "headers.type missing",
        lambda event: event | {"headers": {k: v for k, v in event["headers"].items() if k != "type"}},
    ),
    ("headers.type a number", _header("type", 42)),
    ("headers.type null", _header("type", None)),
    ("data missing", lambda event: {"headers": event["headers"]}),
    ("data an array", _data([{"amount": 12.5}])),
    ("data a string", _data("amount=12.5")),
    ("event a string", lambda event: event["headers"]["type"]),
    ("event null", lambda _event: None),
)

DEAD_LETTER_FAULTS: tuple[Fault, ...] = (
    ("headers.type without namespaces", _header("type", "WalletTransactionCreatedEvent")),
    (
        "headers.type of another vendor",
        _header("type", r"Acme\Wallet\Domain\Transaction\Events\TransactionCreatedEvent"),
    ),
    ("headers.type without Domain", _header("type", r"Holded\Wallet\Transaction\Events\WalletTransactionCreatedEvent")),
    ("headers.type with slashes", _header("type", "Holded/Wallet/Domain/Transaction/Events/TransactionCreatedEvent")),
    ("headers.type without Event", _header("type", r"Holded\Invoicing\Domain\Invoice\Events\InvoiceCreated")),
    ("headers.type is SQL", _header("type", r"Holded\Users\Domain\User\Events\x'; DROP TABLE events;--Event")),
    ("context stamp a string", _header(CONTEXT_STAMP, "account 66f0c1")),
    ("context stamp an array", _header(CONTEXT_STAMP, ["66f0c1", "66f0c2"])),
    ("context stamp a number", _header(CONTEXT_STAMP, 9007199254740993)),
    ("accountId an object", _header(CONTEXT_STAMP, {"accountId": {"$oid": "66f0c1"}, "userId": "66f0c2"})),
    ("userId an array", _header(CONTEXT_STAMP, {"accountId": "66f0c1", "userId": ["66f0c2"]})),
    ("targetSubscription an object", _header("targetSubscription", {"name": "Wallet"})),
)
