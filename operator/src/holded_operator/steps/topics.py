"""Topics: create, grow, configure. Never shrink, never touch what is `managed: false`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from pydantic.alias_generators import to_camel

from holded_contracts.topics import Artefact
from holded_operator.api.v1alpha1 import TopicStatus
from holded_operator.desired import TopicSpec
from holded_operator.exceptions import (
    OperatorError,
    ReplicationFactorError,
    SilverNarrowerError,
    TopicMissingError,
    TopicShrinkError,
    TopicTooSmallError,
)
from holded_operator.gateways.interfaces import KafkaAccess, KafkaGateway, TopicState
from holded_operator.steps.journal import Journal

FOREIGN_CONFIG = re.compile(r"(leader|follower)\.replication\.throttled\.replicas|confluent\..*")
"""Settings of a topic that others set while they work: tools that move partitions, and Confluent's own platform."""


def ensure_topics(
    kafka: KafkaGateway,
    access: KafkaAccess,
    wanted: Sequence[TopicSpec],
    journal: Journal,
    *,
    vet: Callable[[Mapping[str, TopicState]], None],
) -> dict[str, TopicState]:
    """Bring the topics to their specs and return them as they are then, by name.

    Nothing is changed if any of them cannot be brought there, or if `vet` raises, which is given the topics that exist.
    Raises the errors of `check`, those of `vet`, and Kafka's own.
    """
    names = [spec.name for spec in wanted]
    live = kafka.describe_topics(access, names)
    vet(live)
    check(wanted, live)
    before = journal.changes
    # Backwards along the data's way: silver must have at least raw's partitions at every moment.
    for spec in reversed(wanted):
        if spec.managed:
            _ensure(kafka, access, spec, live.get(spec.name), journal)
    return live if journal.changes == before else kafka.describe_topics(access, names)


def check(wanted: Sequence[TopicSpec], live: Mapping[str, TopicState]) -> None:
    """Raise the first of `contradictions`."""
    for error in contradictions(wanted, {name: state.partitions for name, state in live.items()}):
        raise error


def contradictions(wanted: Sequence[TopicSpec], live: Mapping[str, int]) -> Iterator[OperatorError]:
    """Yield a TopicMissing-, TopicTooSmall-, TopicShrink- or SilverNarrowerError for all that cannot be brought about.

    `live` has the partitions of the topics that exist, by name.
    """
    for spec in wanted:
        field, partitions = _field(spec.artefact), live.get(spec.name)
        if partitions is None:
            if not spec.managed:
                yield TopicMissingError(field, spec.name)
        elif spec.managed and partitions > spec.partitions:
            yield TopicShrinkError(field, spec.name, live=partitions, wanted=spec.partitions)
        elif not spec.managed and partitions < spec.partitions:
            yield TopicTooSmallError(field, spec.name, live=partitions, wanted=spec.partitions)
    widths = {spec.artefact: _width(spec, live.get(spec.name, 0)) for spec in wanted}
    if widths[Artefact.SILVER] < widths[Artefact.RAW]:
        yield SilverNarrowerError(silver=widths[Artefact.SILVER], raw=widths[Artefact.RAW])


def config_changes(spec: TopicSpec, state: TopicState) -> dict[str, str]:
    """Return the settings of the spec that the topic has otherwise."""
    live = state.config
    return {
        key: value
        for key, value in spec.config.items()
        if live.get(key) != value and _canonical(live.get(key)) != _canonical(value)
    }


def config_resets(spec: TopicSpec, state: TopicState) -> list[str]:
    """Return the settings that the topic has and the spec has not: somebody's edit, or a line taken out of the spec."""
    return sorted(key for key in state.overrides - spec.config.keys() if not FOREIGN_CONFIG.fullmatch(key))


def replication_differences(
    wanted: Sequence[TopicSpec], live: Mapping[str, TopicState]
) -> list[ReplicationFactorError]:
    """Return an error for each topic that exists with another replication factor than its spec asks for."""
    return [
        ReplicationFactorError(
            _field(spec.artefact),
            spec.name,
            live=live[spec.name].replication_factor,
            wanted=spec.replication_factor,
        )
        for spec in wanted
        if spec.managed
        and spec.name in live
        and spec.replication_factor is not None
        and live[spec.name].replication_factor != spec.replication_factor
    ]


def topic_status(state: TopicState) -> TopicStatus:
    """Return what the status tells of a topic."""
    return TopicStatus(
        name=state.name,
        id=state.topic_id,
        partitions=state.partitions,
        replication_factor=state.replication_factor,
    )


def _ensure(
    kafka: KafkaGateway, access: KafkaAccess, spec: TopicSpec, state: TopicState | None, journal: Journal
) -> None:
    if state is None:
        kafka.create_topic(
            access,
            spec.name,
            partitions=spec.partitions,
            replication_factor=spec.replication_factor,
            config=spec.config,
        )
        journal.changed("TopicCreated", f"Created topic {spec.name} with {spec.partitions} partitions")
        return
    if state.partitions < spec.partitions:
        kafka.add_partitions(access, spec.name, spec.partitions)
        journal.changed(
            "TopicPartitionsIncreased",
            f"Grew topic {spec.name} from {state.partitions} to {spec.partitions} partitions",
        )
    changes, resets = config_changes(spec, state), config_resets(spec, state)
    if changes or resets:
        kafka.alter_config(access, spec.name, changes, resets)
        settings = ", ".join(
            [*(f"{key}={value}" for key, value in changes.items()), *(f"{key}=default" for key in resets)]
        )
        journal.changed("TopicConfigUpdated", f"Set {settings} of topic {spec.name}")


@cache
def _field(artefact: Artefact) -> str:
    return f"spec.topics.{to_camel(artefact.value)}"


def _width(spec: TopicSpec, live: int) -> int:
    return max(live, spec.partitions) if spec.managed else live


def _canonical(value: str | None) -> str | None:
    """Return a value as the broker gives it back: lists without blanks."""
    return None if value is None else ",".join(part.strip() for part in value.split(","))
