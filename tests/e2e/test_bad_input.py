"""A bad resource is refused at apply, or a condition names the field and the fix; nothing else is touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import KubectlError, Pipeline
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SAMPLES = Path(__file__).parents[1] / "data" / "operator"
REFUSED = yaml.safe_load((SAMPLES / "refused.yaml").read_text("utf-8"))


@pytest.fixture
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    found = Pipeline(stack.cluster, "bad", stack.namespace)
    yield found
    stack.cluster.kubectl("delete", "hp", found.name, "-n", found.namespace, "--ignore-not-found", "--timeout=90s")


def merged(spec: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return spec with changes laid over it, as a merge patch does."""
    result = dict(spec)
    for key, value in changes.items():
        result[key] = merged(result.get(key) or {}, value) if isinstance(value, dict) else value
    return result


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["case"])
def test_an_invalid_resource_is_refused_at_apply(stack: Stack, case: dict[str, Any]) -> None:
    manifest = yaml.safe_load((SAMPLES / "input" / "minimal.yaml").read_text("utf-8"))
    manifest["metadata"] |= {"name": case.get("name", "refused"), "namespace": "default"}
    before = manifest | {"spec": merged(manifest["spec"] | {"suspend": True}, case.get("from", {}))}
    try:
        if "from" in case:
            stack.cluster.apply(before)
        with pytest.raises(KubectlError) as refusal:
            stack.cluster.apply(before | {"spec": merged(before["spec"], case.get("set", {}))})
        assert case["says"] in str(refusal.value)
    finally:
        name = manifest["metadata"]["name"]
        stack.cluster.kubectl("delete", "hp", name, "-n", "default", "--ignore-not-found", "--timeout=90s")


def test_a_spec_that_contradicts_itself_is_a_condition(stack: Stack, pipeline: Pipeline) -> None:
    stack.cluster.apply(stack.resource("bad", worker={"dedupWindow": "9000d"}))
    condition = pipeline.wait_condition("Ready", "False", timeout=60)
    assert "spec.worker.dedupWindow" in condition["message"]
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
