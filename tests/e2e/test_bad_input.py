"""A bad resource is refused at apply, or a condition names the field and the fix; nothing else is touched."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Stack
from tests.support.cluster import KubectlError, Pipeline
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    found = Pipeline(stack.cluster, "bad", stack.namespace)
    yield found
    stack.cluster.kubectl("delete", "hp", found.name, "-n", found.namespace, "--ignore-not-found", "--timeout=90s")


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"kafka": {}}, "spec.kafka.bootstrapServers"),
        ({"colector": {}}, "spec.colector"),
        ({"topics": {"raw": {"partitions": 0}}}, "spec.topics.raw.partitions"),
        ({"topics": {"raw": {"partitions": 9}}}, "silver.partitions"),
        ({"topics": {"raw": {"retention": "a week"}}}, "spec.topics.raw.retention"),
        ({"schemas": {"compatibility": "SOMETIMES"}}, "spec.schemas.compatibility"),
        ({"collector": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}}, "maxReplicas"),
        ({"collector": {"authentication": {"mode": "ApiKey"}}}, "secretRef"),
        ({"worker": {"flink": {"parallelism": 2}}}, "flink"),
        ({"worker": {"classification": {"rules": [{"context": "Not A Name"}]}}}, "context"),
    ],
)
def test_an_invalid_resource_is_refused_at_apply(stack: Stack, spec: dict[str, Any], named: str) -> None:
    manifest = stack.resource("bad")
    manifest["spec"] |= spec
    with pytest.raises(KubectlError, match=named.replace(".", r"\.")):
        stack.cluster.apply(manifest)


def test_a_runner_that_is_not_there_yet_is_a_condition(stack: Stack, pipeline: Pipeline) -> None:
    stack.cluster.apply(stack.resource("bad", worker={"runner": "Flink"}))
    condition = pipeline.wait_condition("Ready", "False", timeout=60)
    assert "spec.worker.runner" in condition["message"]
    assert not pipeline.owned()


def test_a_missing_secret_names_field_secret_and_key(stack: Stack, pipeline: Pipeline) -> None:
    manifest = stack.resource("bad")
    manifest["spec"]["mysql"]["credentialsSecretRef"]["name"] = "no-such-secret"
    stack.cluster.apply(manifest)
    condition = pipeline.wait_condition("Ready", "False", timeout=60)
    assert "no-such-secret" in condition["message"]
    assert "credentialsSecretRef" in condition["message"]


@pytest.mark.parametrize(
    ("part", "spec", "address"),
    [
        ("TopicsReady", {"kafka": {"bootstrapServers": "nowhere.invalid:9092"}}, "nowhere.invalid:9092"),
        ("SchemasReady", {"schemaRegistry": {"url": "http://nowhere.invalid:8080"}}, "nowhere.invalid:8080"),
    ],
)
def test_an_unreachable_system_is_a_condition_with_its_address_and_heals(
    stack: Stack, pipeline: Pipeline, part: str, spec: dict[str, Any], address: str
) -> None:
    topics = {
        name: {"name": f"bad.{name.lower()}", "partitions": 1}
        for name in ("raw", "silver", "deadLetter", "analytics", "ledger")
    }
    manifest = stack.resource("bad", topics=topics, suspend=True)
    manifest["spec"] |= spec
    stack.cluster.apply(manifest)
    condition = pipeline.wait_condition(part, "False", timeout=90)
    assert address in condition["message"]
    stack.cluster.apply(stack.resource("bad", topics=topics, suspend=True))
    pipeline.wait_condition(part, "True", timeout=90)


def test_deletion_completes_with_mysql_unreachable(stack: Stack, pipeline: Pipeline) -> None:
    manifest = stack.resource("bad", suspend=True, deletionPolicy={"database": "Delete"})
    manifest["spec"]["mysql"]["host"] = "nowhere.invalid"
    stack.cluster.apply(manifest)
    pipeline.wait_condition("Ready", "False", timeout=90)
    stack.cluster.kubectl("delete", "hp", "bad", "-n", pipeline.namespace, "--timeout=100s", timeout=120)
    events = wait_until(
        lambda: [
            event
            for event in stack.cluster.list("events", pipeline.namespace)
            if event["involvedObject"]["name"] == "bad" and "nowhere.invalid" in (event.get("message") or "")
        ],
        timeout=30,
        what="an Event says what was left behind",
    )
    assert events


def test_a_pod_that_is_not_restricted_is_refused_here(stack: Stack) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loose", "namespace": stack.namespace},
        "spec": {"containers": [{"name": "loose", "image": "mysql:9.7"}]},
    }
    with pytest.raises(KubectlError, match="PodSecurity"):
        stack.cluster.apply(pod)
