"""What is refused beyond the schema: each problem names its field and what to do."""

from typing import Any

import pytest
from pydantic import ValidationError

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.validation import problems_of, validate
from tests.unit.operator.samples import NAMES, body, merged, sample


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_have_no_problem(name: str):
    assert validate(sample(name)) == []


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"kafka": {"bootstrapServers": "a:9092,b:99999"}}, "spec.kafka.bootstrapServers", "b:99999"),
        ({"topics": {"silver": {"name": "events.raw"}}}, "spec.topics.silver.name", "spec.topics.raw.name"),
        ({"topics": {"deadLetter": {"name": "events_silver"}}}, "spec.topics.deadLetter.name", "collides"),
        (
            {"topics": {"raw": {"replicationFactor": 1, "config": {"min.insync.replicas": "2"}}}},
            "spec.topics.raw.config",
            "more than replicationFactor 1",
        ),
        ({"topics": {"ledger": {"config": {"min.insync.replicas": "two"}}}}, "spec.topics.ledger.config", "number"),
        ({"collector": {"limits": {"maxEventBytes": 2_000_000}}}, "spec.collector.limits.maxEventBytes", "900000"),
        ({"collector": {"limits": {"maxBodyBytes": 1024}}}, "spec.collector.limits.maxEventBytes", "maxBodyBytes"),
        (
            {"collector": {"limits": {"deliveryTimeoutSeconds": 25}}},
            "spec.collector.limits.deliveryTimeoutSeconds",
            "terminationGracePeriodSeconds (40) minus 15",
        ),
        (
            {"worker": {"runner": "Flink", "flink": {"jobManager": {"resources": {"limits": {"memory": "512Mi"}}}}}},
            "spec.worker.flink.jobManager.resources.limits.memory",
            "at least 768Mi",
        ),
        (
            {"worker": {"runner": "Flink", "flink": {"taskManager": {"resources": {"limits": {"memory": "1000Mi"}}}}}},
            "spec.worker.flink.taskManager.resources.limits.memory",
            "at least 1024Mi",
        ),
        (
            {
                "worker": {
                    "runner": "Flink",
                    "flink": {"taskManager": {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}},
                }
            },
            "spec.worker.flink.taskManager.resources.requests.cpu",
            "2 is more than its limit 1",
        ),
        (
            {"worker": {"runner": "Flink", "flink": {"state": {"size": "0"}}}},
            "spec.worker.flink.state.size",
            "give a size",
        ),
        (
            {"worker": {"runner": "Flink", "flink": {"configuration": {"rest.port": "80"}}}},
            "spec.worker.flink.configuration",
            "rest.port is the operator's",
        ),
        (
            {
                "worker": {
                    "runner": "Flink",
                    "flink": {"mode": "Operator", "configuration": {"kubernetes.cluster-id": "a"}},
                }
            },
            "spec.worker.flink.configuration",
            "kubernetes.cluster-id is the operator's",
        ),
        (
            {"worker": {"quality": {"weights": {"completeness": 0, "validity": 0, "consistency": 0, "timeliness": 0}}}},
            "spec.worker.quality.weights",
            "at least one",
        ),
        (
            {"worker": {"classification": {"rules": [{"context": "all"}, {"context": "b", "domains": ["B"]}]}}},
            "spec.worker.classification.rules[0]",
            "never tried",
        ),
        ({"monitoring": {"canary": {"period": "4s"}}}, "spec.monitoring.canary.period", "4s is not from 5s to 1h"),
        ({"monitoring": {"canary": {"period": "2h"}}}, "spec.monitoring.canary.period", "2h is not from 5s to 1h"),
        ({"topics": {"silver": {"retention": "12h"}}}, "spec.worker.dedupWindow", "topics.silver.retention (12h)"),
        (
            {"sink": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1000Mi"}}}},
            "spec.sink.resources.requests.memory",
            "1Gi is more than its limit 1000Mi",
        ),
        (
            {"worker": {"podTemplate": {"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}}},
            "spec.worker.podTemplate.metadata.labels",
            "the operator's",
        ),
        (
            {"collector": {"podTemplate": {"metadata": {"annotations": {"holded.dev/config-checksum": "x"}}}}},
            "spec.collector.podTemplate.metadata.annotations",
            "the operator's",
        ),
        (
            {"sink": {"podTemplate": {"spec": {"nodeSelector": {"a b": "c"}}}}},
            "spec.sink.podTemplate.spec.nodeSelector",
            "is not a key",
        ),
    ],
)
def test_problem_names_its_field_and_the_way_out(change: dict[str, Any], field: str, says: str):
    (problem,) = validate(sample(change=change))

    assert problem.field == field
    assert says in problem.message
    assert str(problem) == f"{field}: {problem.message}"


@pytest.mark.parametrize("name", ["a" * 41, "1-starts-with-a-digit", "has.dots", "ends-"])
def test_a_name_that_children_cannot_carry(name: str):
    assert [problem.field for problem in validate(sample(name=name))] == ["metadata.name"]


def test_all_problems_are_told_at_once():
    problems = validate(
        sample(change={"worker": {"dedupWindow": "9000d"}, "topics": {"silver": {"name": "events.raw"}}})
    )

    assert [problem.field for problem in problems] == ["spec.topics.silver.name", "spec.worker.dedupWindow"]


def test_a_window_of_zero_and_endless_silver_are_fine():
    assert validate(sample(change={"worker": {"dedupWindow": "0s"}, "topics": {"silver": {"retention": "1s"}}})) == []
    assert (
        validate(sample(change={"worker": {"dedupWindow": "9000d"}, "topics": {"silver": {"retention": "forever"}}}))
        == []
    )


def test_flink_needs_nothing_but_its_name():
    assert validate(sample(change={"worker": {"runner": "Flink"}})) == []


def test_a_last_rule_may_match_everything():
    rules = [{"context": "b", "domains": ["B"]}, {"context": "all"}]
    assert validate(sample(change={"worker": {"classification": {"rules": rules}}})) == []


def test_a_resource_past_another_crd_is_told_by_field():
    resource = body("minimal")
    change = {"kafka": {"bootstrapServers": ""}, "worker": {"classification": {"rules": [{"context": "A"}]}}}
    with pytest.raises(ValidationError) as caught:
        HoldedPipeline.from_body({**resource, "spec": merged(resource["spec"], change)})

    assert [problem.field for problem in problems_of(caught.value)] == [
        "spec.kafka.bootstrapServers",
        "spec.worker.classification.rules[0].context",
    ]
