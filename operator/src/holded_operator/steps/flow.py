"""Lag and ledger: how far the events are. Best effort: what cannot be read is absent, and Ready does not mind."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from holded_contracts.ledger import accepted_events
from holded_contracts.topics import worker_group
from holded_operator.api.v1alpha1 import FlinkStatus, HoldedPipeline
from holded_operator.exceptions import OperatorError
from holded_operator.gateways.interfaces import (
    DatabaseAccess,
    DatabaseGateway,
    KafkaAccess,
    KafkaGateway,
    LedgerTotals,
    TopicState,
)
from holded_operator.latency import Reading
from holded_operator.status import Ledger

_log = logging.getLogger("holded_operator.flow")


@dataclass(frozen=True)
class Flow:
    """Numbers of one moment; None where they could not be read."""

    lag: int | None = None
    """Events in raw that the worker's group has not committed."""
    ledger: Ledger | None = None
    flink: FlinkStatus | None = None
    """The job of runner Flink."""
    canary: Reading | None = field(default=None, compare=False)
    """Another one each time; `status.canary_stands` tells whether that means anything."""

    def is_calm_since(self, before: "Flow", *, canaries: int) -> bool:
        """Tell whether nothing has moved but so many canaries, at most, that are on their way.

        An event of somebody's that takes no longer looks the same; one that does has new canaries behind it.
        """
        if self.lag is None or before.lag is None or self.ledger is None or before.ledger is None:
            return self == before
        arrived = replace(self.ledger, accepted=before.ledger.accepted) == before.ledger and self.flink == before.flink
        new = (self.lag - before.lag, self.ledger.accepted - before.ledger.accepted)
        return arrived and all(0 <= number <= canaries for number in new)


def observe_flow(
    pipeline: HoldedPipeline,
    topics: Mapping[str, TopicState],
    *,
    kafka: KafkaGateway,
    kafka_access: KafkaAccess | None,
    database: DatabaseGateway,
    database_access: DatabaseAccess | None,
) -> Flow:
    """Return the numbers, of whichever systems could be reached in this pass.

    What is downstream is read first: everything it has counted was accepted before, so no difference is negative.
    """
    if kafka_access is None or pipeline.spec.topics.raw.name not in topics:
        return Flow()
    raw = topics[pipeline.spec.topics.raw.name]
    totals = _totals(database, database_access, raw.topic_id)
    group = worker_group(pipeline.metadata.namespace, pipeline.metadata.name)
    try:
        committed = kafka.committed_offsets(kafka_access, group, raw.name, raw.partitions)
        ends = kafka.end_offsets(kafka_access, raw.name, raw.partitions)
    except OperatorError as error:
        _log.info("the lag could not be read: %s", error)
        return Flow(canary=_reading(totals))
    return Flow(
        lag=sum(max(0, end - committed.get(partition, 0)) for partition, end in ends.items()),
        ledger=None if totals is None else _ledger(sum(ends.values()), totals),
        canary=_reading(totals),
    )


def _totals(database: DatabaseGateway, access: DatabaseAccess | None, raw_topic_id: str) -> LedgerTotals | None:
    if access is None:
        return None
    try:
        return database.ledger(access, raw_topic_id)
    except OperatorError as error:
        _log.info("the ledger could not be read: %s", error)
        return None


def _reading(totals: LedgerTotals | None) -> Reading | None:
    return None if totals is None else Reading(totals.canary)


def _ledger(records: int, totals: LedgerTotals) -> Ledger:
    accepted = accepted_events(records + totals.former, totals.canaries)
    return Ledger(accepted=accepted, gold=totals.gold, dead_letters=totals.dead_letters, duplicates=totals.duplicates)
