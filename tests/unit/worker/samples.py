"""Events for the worker's unit tests."""

import json
from typing import Any

from holded_contracts import wire
from holded_contracts.topics import Artefact
from holded_worker.domain.process import Rules
from holded_worker.domain.records import RawEvent, RawRecord

NOW = 1_780_000_000_000_000
RAW_SCHEMA_ID = 7
RULES = Rules("test-1")
TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"
STAMP = r"X-Message-Stamp-Holded\Shared\Infrastructure\NewContextStamp"


def event(data: Any = None, **headers: Any) -> dict[str, Any]:
    return {
        "data": {"id": "t1", "amount": 12.5, "currency": "EUR"} if data is None else data,
        "headers": {
            "type": TYPE,
            "targetSubscription": "Wallet",
            STAMP: {"accountId": "acc", "userId": "usr"},
            **headers,
        },
    }


def raw_event(payload: Any, event_id: bytes = b"e" * 16, **changes: Any) -> RawEvent:
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return RawEvent("events.raw", 2, 41, RAW_SCHEMA_ID, event_id, NOW - 1_000_000, "as sent", "key-1", text)._replace(
        **changes
    )


def raw_record(payload: Any, event_id: bytes = b"e" * 16, *, partition: int = 0, offset: int = 0) -> RawRecord:
    sent = raw_event(payload, event_id)
    fields = {name: getattr(sent, name) for name in ("event_id", "received_at", "type", "source", "payload")}
    value = wire.encode(wire.frame(RAW_SCHEMA_ID), wire.parsed_schema(Artefact.RAW), fields)
    return RawRecord("events.raw", partition, offset, value)


class Schemas:
    def writer_schema(self, schema_id: int) -> Any:
        return wire.parsed_schema(Artefact.RAW) if schema_id == RAW_SCHEMA_ID else None
