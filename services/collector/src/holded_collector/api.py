"""The HTTP contract as OpenAPI shows it. Answers are built without these models; the tests hold the two together."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

DESCRIPTION = """
Takes business events and answers when Kafka has them: a 2xx means durable.

* `202` every event was accepted, `207` some were, `422` none was: `results` has a verdict for each event.
* Any other status: nothing of the request is claimed. After `503`, send the whole request again; events that did
  arrive keep their `event_id` and are counted once.
"""

EXAMPLE_EVENT: dict[str, Any] = {
    "headers": {
        "type": r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent",
        "targetSubscription": "Wallet",
        r"X-Message-Stamp-Holded\Shared\Infrastructure\Messenger\Stamp\NewContextStamp": {
            "accountId": "5f8d0d55b54764421b7156c1",
            "userId": "5f8d0d55b54764421b7156d9",
        },
    },
    "data": {
        "transactionId": "64b7f0c2a1e4d3b2c1a09f8e",
        "walletId": "64b7f0c2a1e4d3b2c1a09f00",
        "amount": 1250.75,
        "currency": "EUR",
        "concept": "Invoice F-2025-0042",
        "createdAt": "2025-09-01T10:15:30+00:00",
    },
}

EXAMPLE_RESULT: dict[str, Any] = {
    "accepted": 1,
    "rejected": 1,
    "results": [
        {"index": 0, "status": "accepted", "event_id": "0f9d2c5e-8a41-4f43-9a57-3b0c6a6e1d72", "errors": []},
        {
            "index": 1,
            "status": "rejected",
            "event_id": None,
            "errors": [{"field": "headers.type", "message": "is missing; it must be a string"}],
        },
    ],
}


class FieldError(BaseModel):
    """What is wrong with one field of an event."""

    field: str = Field(description="Path from the event, e.g. headers.type; empty for the event itself.")
    message: str = Field(description="What is wrong and what is expected; never the value that was sent.")


class EventResult(BaseModel):
    """The verdict on one event."""

    index: int = Field(ge=0, description="Place in the array that was sent.")
    status: Literal["accepted", "rejected"]
    event_id: UUID | None = Field(
        description="Identity of an accepted event: from its own id header, else a digest of its content."
    )
    errors: list[FieldError] = Field(description="Empty for an accepted event.")


class CollectResult(BaseModel):
    """The answer to a request whose events were judged."""

    accepted: int = Field(ge=0, description="Events that are in Kafka.")
    rejected: int = Field(ge=0, description="Events that are invalid; sending them again unchanged is of no use.")
    results: list[EventResult] = Field(description="One for each event, in the order sent.")


class Problem(BaseModel):
    """The answer to a request of which nothing is claimed."""

    error: str = Field(description="A stable word for programs, e.g. body_too_large.")
    detail: str = Field(description="What happened and what to do.")


class State(BaseModel):
    """The answer of /health and /ready when all is well."""

    status: str


_EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["headers", "data"],
    "properties": {
        "headers": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string", "minLength": 1, "maxLength": 500}},
            "additionalProperties": True,
        },
        "data": {"type": "object", "additionalProperties": True},
    },
    "additionalProperties": True,
}

COLLECT_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "description": "gzip, or left out.",
            "schema": {"type": "string", "enum": ["gzip", "identity"]},
        },
        {
            "name": "X-Request-Id",
            "in": "header",
            "required": False,
            "description": "Comes back in the answer and stands in the logs; made up where it is missing.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
        },
        {
            "name": "traceparent",
            "in": "header",
            "required": False,
            "description": "W3C trace context; it goes into Kafka with the events, as does tracestate.",
            "schema": {"type": "string"},
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": _EVENT_SCHEMA},
                "examples": {
                    "one event": {"value": [EXAMPLE_EVENT]},
                    "a valid and an invalid event": {"value": [EXAMPLE_EVENT, {"headers": {}, "data": {}}]},
                },
            }
        },
    },
}

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON, not an array, or not gzip."},
    401: {"model": Problem, "description": "No API key, or an unknown one."},
    408: {"model": Problem, "description": "Head or body took too long to arrive."},
    413: {"model": Problem, "description": "The body, before or after gzip, or the number of events is too large."},
    415: {"model": Problem, "description": "Content-Encoding is neither gzip nor identity."},
    429: {
        "model": Problem,
        "description": "This API key, or in open mode everybody together, sends faster than allowed.",
        "headers": _RETRY_AFTER,
    },
    431: {"model": Problem, "description": "Request line and headers are too large; the connection closes."},
    503: {
        "model": Problem,
        "description": "Kafka cannot take the events now, or too many requests, bytes or connections are here already. "
        "Nothing is claimed.",
        "headers": _RETRY_AFTER,
    },
}

COLLECT_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "All events are in Kafka. An empty array is accepted too."},
    207: {
        "model": CollectResult,
        "description": "The accepted events are in Kafka, the others are invalid.",
    },
    422: {"model": CollectResult, "description": "No event is valid."},
    **PROBLEMS,
}


_SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key as 'Authorization: Bearer KEY'."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "An API key in its own header."},
}


def complete(document: dict[str, Any], *, keys: bool) -> dict[str, Any]:
    """Add to a generated document what FastAPI does not know.

    That is the example of an answer (it drops nulls, and event_id is one of them) and, if `keys` are asked for, the two
    ways to send one, so that /docs can.
    """
    operation = document["paths"]["/collect"]["post"]
    operation["responses"]["207"]["content"]["application/json"]["example"] = EXAMPLE_RESULT
    if keys:
        document["components"]["securitySchemes"] = _SECURITY_SCHEMES
        operation["security"] = [{name: []} for name in _SECURITY_SCHEMES]
    return document
