"""Topics and subjects: the desired state outside Kubernetes."""

from holded_contracts.topics import Artefact, subject
from holded_contracts.wire import schema_text
from holded_operator.api import durations
from holded_operator.api.v1alpha1 import Deletion, HoldedPipeline, Topic
from holded_operator.desired.state import DeletionPlan, SubjectSpec, TopicSpec


def topic_specs(pipeline: HoldedPipeline) -> tuple[TopicSpec, ...]:
    """Return the five topics in the order of the data's way."""
    return tuple(_topic(artefact, pipeline.spec.topics.of(artefact)) for artefact in Artefact)


def subject_specs(pipeline: HoldedPipeline) -> tuple[SubjectSpec, ...]:
    """Return the five subjects, named after their topics."""
    return tuple(
        SubjectSpec(
            artefact=artefact,
            name=subject(pipeline.spec.topics.of(artefact).name),
            schema_text=schema_text(artefact),
            compatibility=pipeline.spec.schemas.compatibility.value,
        )
        for artefact in Artefact
    )


def deletion_plan(pipeline: HoldedPipeline) -> DeletionPlan:
    """Return what goes away with the resource. A topic that is not ours to manage is never ours to delete."""
    policy, topics = pipeline.spec.deletion_policy, topic_specs(pipeline)
    return DeletionPlan(
        topics=tuple(t.name for t in topics if t.managed) if policy.topics is Deletion.DELETE else (),
        subjects=tuple(s.name for s in subject_specs(pipeline)) if policy.schemas is Deletion.DELETE else (),
        database=pipeline.spec.mysql.database if policy.database is Deletion.DELETE else None,
    )


def _topic(artefact: Artefact, topic: Topic) -> TopicSpec:
    milliseconds = -1 if topic.retention == durations.FOREVER else durations.seconds(topic.retention) * 1000
    config = {**topic.config, "retention.ms": str(milliseconds), "cleanup.policy": "delete"}
    return TopicSpec(
        artefact=artefact,
        name=topic.name,
        partitions=topic.partitions,
        replication_factor=topic.replication_factor,
        config=dict(sorted(config.items())),
        managed=topic.managed,
    )
