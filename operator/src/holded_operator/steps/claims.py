"""Topics and databases that several pipelines name: the oldest keeps a topic, and what another uses is not deleted.

Two pipelines on one topic would mix their events, and the deletion policy of one would remove the data of the other.
Topic names are immutable, so whoever was there first stays the first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from holded_contracts.topics import subject
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import KIND
from holded_operator.desired import DeletionPlan, TopicSpec
from holded_operator.exceptions import TopicClaimedError
from holded_operator.gateways.interfaces import Body


def check_claims(pipeline: HoldedPipeline, body: Body, wanted: Sequence[TopicSpec], everybody: Sequence[Body]) -> None:
    """Refuse topics that an older pipeline has.

    Raises
    ------
    TopicClaimedError
        Naming the first such topic and its owner.
    """
    older = [(other, owner) for other, owner in _others(body, everybody) if _age(owner) < _age(body)]
    for spec in wanted:
        for other, owner in older:
            if spec.name in _topics_beside(pipeline, other):
                metadata = owner["metadata"]
                raise TopicClaimedError(
                    f"spec.topics.{to_camel(spec.artefact.value)}.name",
                    spec.name,
                    owner=f"{KIND} {metadata['namespace']}/{metadata['name']}",
                )


def spare(plan: DeletionPlan, pipeline: HoldedPipeline, body: Body, everybody: Sequence[Body]) -> DeletionPlan:
    """Return the plan without what another pipeline, older or younger, still uses."""
    others = [other for other, _ in _others(body, everybody)]
    topics = {topic for other in others for topic in _topics_beside(pipeline, other)}
    subjects = {subject(topic) for topic in topics}
    shared = any(_database(other) == _database(pipeline) for other in others)
    return replace(
        plan,
        topics=tuple(topic for topic in plan.topics if topic not in topics),
        subjects=tuple(name for name in plan.subjects if name not in subjects),
        database=None if shared else plan.database,
    )


def _others(body: Body, everybody: Sequence[Body]) -> Iterator[tuple[HoldedPipeline, Body]]:
    """Yield the other pipelines that this version can read and that are not on their way out."""
    for other in everybody:
        metadata = other["metadata"]
        if metadata["uid"] == body["metadata"]["uid"] or metadata.get("deletionTimestamp") is not None:
            continue
        try:
            yield HoldedPipeline.from_body(other), other
        except ValidationError:
            continue


def _topics_beside(pipeline: HoldedPipeline, other: HoldedPipeline) -> set[str]:
    """Return the other's topics if they are in the same Kafka; one cluster under two addresses is not seen."""
    if _brokers(pipeline).isdisjoint(_brokers(other)):
        return set()
    return {topic.name for _, topic in other.spec.topics}


def _brokers(pipeline: HoldedPipeline) -> set[str]:
    return {server.strip().lower() for server in pipeline.spec.kafka.bootstrap_servers.split(",")}


def _database(pipeline: HoldedPipeline) -> tuple[str, int, str]:
    mysql = pipeline.spec.mysql
    return (mysql.host.lower(), mysql.port, mysql.database)


def _age(body: Body) -> tuple[str, str, str]:
    """Return what orders resources from the oldest to the youngest, also those of the same second."""
    metadata = body["metadata"]
    return (str(metadata.get("creationTimestamp") or ""), metadata["namespace"], metadata["name"])
