"""One request from its body to its answer."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import orjson

from holded_collector.admission import Admission, Place
from holded_collector.framing import RawFramer
from holded_collector.metrics import Metrics
from holded_collector.rate_limit import RateLimiter
from holded_collector.refusal import Refusal
from holded_collector.validation import Judgement, judge
from holded_contracts.identity import format_event_id
from holded_contracts.settings import CollectorLimits

LARGE_BODY_BYTES = 262_144
"""Bodies from here on are judged on a thread, so that the event loop keeps answering others meanwhile. Smaller ones
hold it for some milliseconds, less than threads that wait for one another would cost them all."""
RETRY_AWAY_SECONDS = 5.0


class DeliveryError(Exception):
    """Kafka has not confirmed every record of a request."""


class Publisher(Protocol):
    """Where raw records go."""

    def unavailable(self) -> str | None:
        """Return why nothing can be published now, if so."""

    def broken(self) -> str | None:
        """Return why nothing will ever be published by this process again, if so."""

    async def publish(self, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return when every (key, value) is durable, each with these headers; raises DeliveryError."""


class SchemaId(Protocol):
    """Where the wire header of raw records comes from."""

    def header(self) -> bytes | None:
        """Return the five bytes before the Avro body, None while the id is unknown."""

    def unavailable(self) -> str | None:
        """Return why the id is unknown, if so."""


class CollectService:
    """Judges, frames and publishes; its answers claim an event only once the publisher has returned."""

    def __init__(
        self,
        *,
        limits: CollectorLimits,
        id_headers: Sequence[str],
        publisher: Publisher,
        schema_id: SchemaId,
        metrics: Metrics,
        rates: RateLimiter,
    ) -> None:
        self._limits = limits
        self._id_headers = tuple(id_headers)
        self._publisher = publisher
        self._schema_id = schema_id
        self._metrics = metrics
        self._rates = rates
        self._admission = Admission(limits, metrics)

    @contextmanager
    def admission(self) -> Iterator[Place]:
        """Hold a place among the requests in flight.

        Raises
        ------
        Refusal
            503 at once if all places are taken, or if it is known that nothing can be published.
        """
        if (reason := self._schema_id.unavailable()) is not None:
            raise _unavailable("schema_id_unknown", reason)
        if (reason := self._publisher.unavailable()) is not None:
            raise _unavailable("kafka_unavailable", reason)
        with self._admission.enter() as place:
            yield place

    async def collect(
        self, body: bytes, source: str | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> tuple[int, bytes]:
        """Return status and JSON of the answer; headers go with each record.

        Raises
        ------
        Refusal
            400, 413, 429 or 503: nothing of the request is claimed.
        """
        started = time.perf_counter()
        if len(body) < LARGE_BODY_BYTES:
            judgement = judge(body, self._limits, self._id_headers)
        else:
            judgement = await asyncio.to_thread(judge, body, self._limits, self._id_headers)
        # Rejected events count, too: judging them was the cost.
        self._rates.take(source, len(judgement.accepted) + len(judgement.rejected))
        if judgement.accepted:
            try:
                await self._publish(judgement, source, headers)
            except Refusal:
                self._rates.give_back(source, len(judgement.accepted))
                raise
            self._metrics.ack_seconds.observe(time.perf_counter() - started)
        self._metrics.events.labels("accepted").inc(len(judgement.accepted))
        self._metrics.events.labels("rejected").inc(len(judgement.rejected))
        return _status(judgement), orjson.dumps(_result(judgement))

    async def _publish(self, judgement: Judgement, source: str | None, headers: Sequence[tuple[str, bytes]]) -> None:
        header = self._schema_id.header()
        if header is None:
            raise _unavailable("schema_id_unknown", "the schema id is not known")
        framer = RawFramer(header, received_at=time.time_ns() // 1000, source=source)
        records = [
            (event.event_id, framer.frame(event_id=event.event_id, type_=event.type, payload=event.payload))
            for event in judgement.accepted
        ]
        try:
            await self._publisher.publish(records, headers)
        except DeliveryError as error:
            self._metrics.events.labels("unconfirmed").inc(len(records))
            raise _unavailable("kafka_unavailable", str(error)) from error
        self._metrics.event_bytes.inc(sum(len(event.payload) for event in judgement.accepted))


def _status(judgement: Judgement) -> int:
    # An empty array is accepted: there is nothing in it that could be lost.
    if not judgement.rejected:
        return 202
    return 207 if judgement.accepted else 422


def _result(judgement: Judgement) -> dict[str, Any]:
    results: list[dict[str, Any]] = [
        {"index": event.index, "status": "accepted", "event_id": format_event_id(event.event_id), "errors": []}
        for event in judgement.accepted
    ]
    if judgement.rejected:
        results += (
            {"index": index, "status": "rejected", "event_id": None, "errors": problems}
            for index, problems in judgement.rejected.items()
        )
        results.sort(key=lambda result: result["index"])
    return {"accepted": len(judgement.accepted), "rejected": len(judgement.rejected), "results": results}


def _unavailable(error: str, reason: str) -> Refusal:
    return Refusal(
        503,
        error,
        f"No event of this request is confirmed: {reason}. Send the whole request again after Retry-After seconds; "
        "events that did arrive keep their event_id and are counted once.",
        retry_after_seconds=RETRY_AWAY_SECONDS,
    )
