"""Two replicas with the admission webhook: what is refused at apply, and who leads when a leader goes.

The tests build on one another; the operator is as it was afterwards.
"""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support.cluster import KubectlError, Pipeline
from tests.support.stack import OPERATOR_NAMESPACE, Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OPERATOR = "holded-pipeline-operator"
SECRET = "steady-mysql"
TOPICS: dict[str, dict[str, Any]] = {
    name: {"name": f"steady.{name.lower()}", "partitions": 1}
    for name in ("raw", "silver", "deadLetter", "analytics", "ledger")
}
TAKE_OVER_SECONDS = 30


def upgrade(stack: Stack, *settings: str) -> None:
    """Change values of the operator's release and wait until its pods are as they shall be."""
    command = ["helm", "upgrade", "holded-pipeline", "charts/holded-pipeline", "--namespace", OPERATOR_NAMESPACE]
    command += ["--kubeconfig", str(stack.cluster.kubeconfig), "--kube-context", f"kind-{stack.cluster.name}"]
    command += ["--reuse-values", "--wait", "--timeout", "180s", "--set", ",".join(settings)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=210)


def steady(stack: Stack, **spec: Any) -> dict[str, Any]:
    """Return a pipeline without pods: all that it has is made by the operator outside Kubernetes."""
    policy = {"topics": "Delete", "schemas": "Delete"}
    found = stack.resource("steady", suspend=True, topics=TOPICS, deletionPolicy=policy, **spec)
    found["spec"]["mysql"]["credentialsSecretRef"]["name"] = SECRET
    return found


def other(stack: Stack, raw: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return another pipeline, with topics of its own; `raw` is what shall be otherwise about the first of them."""
    topics = {name: topic | {"name": f"other.{name.lower()}"} for name, topic in TOPICS.items()}
    topics["raw"] |= raw or {}
    return stack.resource("other", suspend=True, topics=topics, **spec)


def tried(stack: Stack, manifest: dict[str, Any]) -> str:
    """Apply by a dry run; return what the API server has against it or warns of, nothing if it is all right."""
    try:
        stack.cluster.kubectl(
            *("apply", "--dry-run=server", "--warnings-as-errors", "-f", "-"), stdin=json.dumps(manifest)
        )
    except KubectlError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    upgrade(stack, "replicaCount=2", "admission.enabled=true")
    copy_secret(stack)
    stack.cluster.apply(steady(stack))
    found = Pipeline(stack.cluster, "steady", stack.namespace)
    found.wait_condition("TopicsReady", "True", timeout=60)
    yield found
    stack.cluster.kubectl("delete", "hp", found.name, "-n", found.namespace, "--ignore-not-found", "--timeout=90s")
    stack.cluster.kubectl("delete", "secret", SECRET, "-n", stack.namespace, "--ignore-not-found")
    upgrade(stack, "replicaCount=1", "admission.enabled=false")


def copy_secret(stack: Stack) -> None:
    secret = stack.cluster.get("secret", "mysql-credentials", stack.namespace)
    secret["metadata"] = {"name": SECRET, "namespace": stack.namespace}
    stack.cluster.apply(secret)


def lease(stack: Stack) -> dict[str, Any]:
    spec: dict[str, Any] = stack.cluster.get("lease", OPERATOR, OPERATOR_NAMESPACE)["spec"]
    return spec


def leader(stack: Stack) -> str:
    found: str = lease(stack)["holderIdentity"]
    return found


def pods(stack: Stack) -> dict[str, dict[str, Any]]:
    found = stack.cluster.list("pods", OPERATOR_NAMESPACE, "app.kubernetes.io/component=operator")
    return {pod["metadata"]["name"]: pod for pod in found if not pod["metadata"].get("deletionTimestamp")}


def ready(pod: dict[str, Any]) -> bool:
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def wait_two_ready(stack: Stack) -> tuple[str, str]:
    """Return leader and follower once both are ready."""

    def both() -> tuple[str, str] | None:
        found, leads = pods(stack), leader(stack)
        if len(found) == 2 and leads in found and all(map(ready, found.values())):
            return leads, next(name for name in found if name != leads)
        raise AssertionError(f"{leads} leads; pods: {list(found)}")

    found = wait_until(both, timeout=60, what="two ready replicas, one of them leading")
    assert found is not None
    return found


def now() -> datetime:
    """Return the time: the node is a container here, so its clock is ours."""
    return datetime.now(UTC)


def wait_for_another(stack: Stack, former: str, since: datetime) -> float:
    """Wait until somebody else leads; return the seconds from the last renewal seen, the first being `since`."""
    renewed = [since]

    def taken() -> datetime | None:
        spec = lease(stack)
        if spec["holderIdentity"] in {former, ""}:
            renewed.append(datetime.fromisoformat(spec["renewTime"]))
            return None
        return datetime.fromisoformat(spec["acquireTime"])

    found = wait_until(taken, timeout=60, interval=0.2, what="another leader")
    assert found is not None
    return (found - renewed[-1]).total_seconds()


def grow(pipeline: Pipeline, partitions: int) -> None:
    """Edit the pipeline and wait until Kafka has what it says."""
    pipeline.patch({"topics": {"silver": {"partitions": partitions}}})

    def grown() -> bool:
        found = pipeline.read()
        status = found["status"]
        sizes = {topic["name"]: topic["partitions"] for topic in status["topics"]}
        seen = status["observedGeneration"] == found["metadata"]["generation"]
        return bool(seen and sizes["steady.silver"] == partitions)

    wait_until(grown, timeout=60, interval=0.5, what=f"{partitions} partitions of steady.silver")


def test_what_contradicts_the_outside_is_refused_at_apply(stack: Stack, pipeline: Pipeline) -> None:
    stack.kafka("kafka-topics", "--create", "--if-not-exists", "--topic", "other.raw", "--partitions", "4")
    with stack.cluster.port_forward("service/schema-registry", 8080, stack.namespace) as port:
        url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        foreign = {"type": "record", "name": "Foreign", "fields": [{"name": "x", "type": "string"}]}
        version = {"schema": json.dumps(foreign)}
        httpx.post(f"{url}/subjects/other.raw-value/versions", json=version, timeout=30).raise_for_status()
        level = {"compatibility": "BACKWARD"}
        httpx.put(f"{url}/config/other.raw-value", json=level, timeout=30).raise_for_status()
    refused = {
        "spec.topics.raw.partitions: topic 'other.raw' has 4 partitions": other(stack),
        "spec.topics.raw.replicationFactor: topic other.raw has 1 replicas instead of 2": other(
            stack, {"replicationFactor": 2}
        ),
        "subject 'other.raw-value' (BACKWARD): this release's schema is incompatible": other(stack),
        "topic 'steady.raw' belongs to HoldedPipeline holded/steady": other(stack, {"name": "steady.raw"}),
        "Secret 'nobody' does not exist": other(
            stack, collector={"authentication": {"mode": "ApiKey", "secretRef": {"name": "nobody"}}}
        ),
        "spec.worker.dedupWindow: must be at most": other(stack, worker={"dedupWindow": "9000d"}),
    }
    for reason, manifest in refused.items():
        answer = tried(stack, manifest)
        assert "denied the request" in answer
        assert reason in answer
    assert not tried(stack, other(stack, {"name": "other.raw2"}))
    assert "other" not in {item["metadata"]["name"] for item in stack.cluster.list("hp", stack.namespace)}


def test_a_system_that_is_away_is_a_warning(stack: Stack, pipeline: Pipeline) -> None:
    manifest = other(stack, {"name": "other.raw2"})
    manifest["spec"]["kafka"] = {"bootstrapServers": "nowhere.invalid:9092"}
    answer = tried(stack, manifest)
    assert "Warning: spec.topics: not checked: Kafka at nowhere.invalid:9092" in answer
    assert "denied" not in answer


def test_a_pipeline_that_went_bad_can_be_labelled_edited_and_let_go(stack: Stack, pipeline: Pipeline) -> None:
    stack.cluster.kubectl("delete", "secret", SECRET, "-n", stack.namespace)
    stack.cluster.kubectl("label", "hp", pipeline.name, "-n", pipeline.namespace, "team=data")
    edited = steady(stack, sink={"retentionDays": 30})
    answer = tried(stack, edited)
    assert f"Warning: spec.mysql.credentialsSecretRef: Secret '{SECRET}' does not exist" in answer
    assert "denied" not in answer
    assert "denied" in tried(stack, steady(stack, worker={"dedupWindow": "9000d"}))
    copy_secret(stack)


def test_a_leader_that_stops_is_followed_at_once(stack: Stack, pipeline: Pipeline) -> None:
    former, _ = wait_two_ready(stack)
    renewed, before = now(), lease(stack)["leaseTransitions"]
    stack.cluster.kubectl("delete", "pod", former, "-n", OPERATOR_NAMESPACE, "--wait=false")
    assert wait_for_another(stack, former, renewed) < 10, "sooner than by the Lease's end"
    grow(pipeline, 2)
    # A Lease that was let go is whoever's asks first: the follower's, or that of the pod in the former's place.
    assert lease(stack)["leaseTransitions"] == before + 1, "it changed hands once"


def test_a_leader_that_dies_is_followed_in_time_and_the_webhook_goes_on(stack: Stack, pipeline: Pipeline) -> None:
    former, _ = wait_two_ready(stack)
    died = now()
    stack.cluster.kubectl("delete", "pod", former, "-n", OPERATOR_NAMESPACE, "--grace-period=0", "--force")
    # The endpoint of a pod that died is there for a moment; what it would have refused passes then.
    wait_until(
        lambda: "denied" in tried(stack, other(stack, worker={"dedupWindow": "9000d"})), timeout=10, what="a refusal"
    )
    assert wait_for_another(stack, former, died) < TAKE_OVER_SECONDS
    grow(pipeline, 3)


def test_a_frozen_leader_does_not_go_on_when_it_wakes(stack: Stack, pipeline: Pipeline) -> None:
    former, follower = wait_two_ready(stack)
    pid, froze = process_of(stack, former), now()
    on_node(stack, "kill", "-STOP", pid)
    try:
        assert wait_for_another(stack, former, froze) < TAKE_OVER_SECONDS
        assert leader(stack) == follower
        grow(pipeline, 4)
    finally:
        on_node(stack, "kill", "-CONT", pid)

    def ended() -> bool:
        (status,) = pods(stack)[former]["status"]["containerStatuses"]
        return bool(status["lastState"].get("terminated", {}).get("exitCode") == 3)

    wait_until(ended, timeout=30, interval=0.5, what="the former leader ends")
    assert leader(stack) == follower


def on_node(stack: Stack, *command: str) -> str:
    done = subprocess.run(
        ["docker", "exec", f"{stack.cluster.name}-control-plane", *command],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout


def process_of(stack: Stack, pod: str) -> str:
    """Return the operator's process in a pod, as the node numbers it."""
    variable = f"HOLDED_OPERATOR_POD_NAME={pod}"
    found = on_node(stack, "sh", "-c", f"grep -lzxF {variable} /proc/[0-9]*/environ 2>/dev/null || :")
    (path,) = found.split()
    return path.split("/")[2]
