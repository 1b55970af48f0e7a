"""One event of our own per period, by the way that requests take: what it needs from here to gold, events need, too."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import orjson
import structlog

from holded_collector.framing import RawFramer
from holded_collector.lifecycle import Lifecycle
from holded_collector.metrics import Metrics
from holded_collector.service import DeliveryError, Publisher, SchemaId
from holded_contracts.canary import CANARY_TYPE, canary_source
from holded_contracts.identity import EVENT_ID_BYTES, format_event_id
from holded_contracts.settings import CollectorSettings

log = structlog.get_logger(__name__)


class CanarySender:
    """Sends canaries beside the requests: it takes no place of theirs and no rate, and its faults are only counted.

    One is under way at most. While Kafka or the registry is known to be away none is sent, and none is sent later for
    it: a canary tells what an event of this moment needs.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        *,
        publisher: Publisher,
        schema_id: SchemaId,
        metrics: Metrics,
        lifecycle: Lifecycle,
    ) -> None:
        self._period = settings.canary_period_seconds
        self._source = canary_source(settings.pod_name)
        self._pod = settings.pod_name
        self._publisher = publisher
        self._schema_id = schema_id
        self._metrics = metrics
        self._lifecycle = lifecycle

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the context is open, on the loop that serves requests; with a period of 0 nothing is sent."""
        if not self._period:
            yield
            return
        self._metrics.canary_period.set(self._period)
        task = asyncio.create_task(self._run(), name="canary")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def send(self) -> None:
        """Send one canary; raises nothing of Kafka's."""
        header = self._schema_id.header()
        if header is None or self._publisher.unavailable() is not None or self._lifecycle.draining:
            self._metrics.canaries.labels("skipped").inc()
            return
        # Random, so that every canary is an event of its own and over time each partition of raw gets some.
        event_id = os.urandom(EVENT_ID_BYTES)
        now = time.time_ns() // 1000
        framer = RawFramer(header, received_at=now, source=self._source)
        record = framer.frame(event_id=event_id, type_=CANARY_TYPE, payload=self._payload(event_id, now))
        try:
            await self._publisher.publish([(event_id, record)])
        except DeliveryError as error:
            self._metrics.canaries.labels("unconfirmed").inc()
            log.warning("canary not confirmed", error=str(error))
            return
        self._metrics.canaries.labels("sent").inc()

    async def _run(self) -> None:
        # Anywhere within the period: pods that start together do not send together ever after.
        await asyncio.sleep(random.uniform(0, self._period))  # noqa: S311 -- nobody gains by guessing it
        while True:
            began = time.monotonic()
            try:
                await self.send()
            except Exception:
                log.exception("canary failed")
            await asyncio.sleep(max(0.0, began + self._period - time.monotonic()))

    def _payload(self, event_id: bytes, now: int) -> bytes:
        occurred_at = datetime.fromtimestamp(now / 1_000_000, UTC).isoformat(timespec="milliseconds")
        return orjson.dumps(
            {
                "data": {"id": format_event_id(event_id), "occurredAt": occurred_at, "pod": self._pod},
                "headers": {"type": CANARY_TYPE},
            }
        )
