"""`kubectl holded status` and `why`."""

import json

import pytest

from holded_operator.exceptions import KafkaUnavailableError
from tests.support.operator_fakes import World, pipeline
from tests.unit.cli.cluster_world import event, plugin, pod, reconcile, running


@pytest.fixture
def broken() -> World:
    """Return a world whose pipeline names a Secret that is not there."""
    world = World()
    del world.kubernetes.secrets["mysql"]
    world.kubernetes.create(pipeline())
    reconcile(world)
    return world


def test_status_lists_all_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.kubernetes.create(pipeline("fresh"))
    result = plugin(world, monkeypatch, "status")
    assert result.exit_code == 0
    assert [line.split()[:5] for line in result.stdout.splitlines()[1:]] == [
        ["tests", "demo", "True", "Running", "1/1"],
        ["tests", "fresh", "Unknown", "-", "none/1"],
    ]


def test_status_of_no_pipeline_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There are no pipelines." in plugin(World(), monkeypatch, "status", "-A").stdout


def test_status_of_one_has_conditions_pods_topics_and_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    text = plugin(world, monkeypatch, "status", "demo").stdout
    for expected in ("AllPartsReady", "WorkerReady", "events.silver-value", "1/1", "Dead letters"):
        assert expected in text
    document = json.loads(plugin(world, monkeypatch, "status", "demo", "--output", "json").stdout)
    assert document["ready"] is True
    assert document["components"][1] == {"name": "worker", "ready": 1, "wanted": 1, "restarts": 0}
    assert len(document["topics"]) == 5
    assert document["ledger"]["inFlight"] == 0
    assert document["latency"]["canaryMilliseconds"] == 420
    assert "420 ms" in text
    assert "420 ms" in plugin(world, monkeypatch, "status").stdout


def test_status_shows_the_pods_of_a_flink_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worker={"runner": "Flink", "flink": {"mode": "Operator", "taskManagers": 2}})
    world.kubernetes.pods += [pod("jobmanager"), pod("taskmanager")]
    found = json.loads(plugin(world, monkeypatch, "status", "demo", "--output", "json").stdout)
    shown = {entry["name"]: (entry["ready"], entry["wanted"]) for entry in found["components"]}
    assert (shown["jobmanager"], shown["taskmanager"]) == ((1, 1), (1, 2))


def test_status_of_a_pipeline_that_does_not_exist_fails_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    result = plugin(World(), monkeypatch, "status", "nobody")
    assert result.exit_code == 1
    assert result.stderr == "holded: there is no HoldedPipeline nobody in namespace tests\n"


def test_why_of_a_ready_pipeline_has_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    result = plugin(running(), monkeypatch, "why", "demo")
    assert (result.exit_code, result.stdout) == (0, "tests/demo is Ready\n")


def test_why_tells_of_events_that_do_not_arrive_although_all_pods_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.database.canary = lambda: None
    world.seconds += 1000
    reconcile(world)
    result = plugin(world, monkeypatch, "why", "demo")
    assert result.exit_code == 0
    assert result.stdout.startswith("tests/demo is Ready\nEventsFlow: CanaryLate\n")
    assert "status.ledger" in result.stdout
    assert "ms" not in plugin(world, monkeypatch, "status", "demo").stdout.split("Condition")[0]


def test_why_names_the_field_of_a_missing_secret_and_what_to_do(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plugin(broken, monkeypatch, "why", "demo")
    assert result.exit_code == 1
    assert "DatabaseReady: SecretNotFound" in result.stdout
    assert "message: spec.mysql.credentialsSecretRef: Secret 'mysql' does not exist" in result.stdout
    assert "do: create it there" in result.stdout


def test_why_tells_causes_before_consequences_and_once(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = json.loads(plugin(broken, monkeypatch, "why", "demo", "--output", "json").stdout)["findings"]
    assert findings[0]["what"] == "DatabaseReady"
    assert {finding["reason"] for finding in findings[1:]} == {"WaitingForPrerequisites"}
    assert all(finding["do"] for finding in findings)


def test_why_says_when_the_operator_has_not_seen_the_newest_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.kubernetes.edit("demo", suspend=True)
    result = plugin(world, monkeypatch, "why", "demo")
    assert result.exit_code == 1
    assert "the resource is at generation 2, the operator has seen generation 1" in result.stdout


def test_why_of_an_invalid_spec_names_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.kubernetes.edit("demo", worker={"dedupWindow": "9000d"})
    reconcile(world)
    result = plugin(world, monkeypatch, "why", "demo")
    assert result.exit_code == 1
    assert "Ready: InvalidSpec" in result.stdout
    assert "spec.worker.dedupWindow" in result.stdout


def test_why_shows_pods_in_trouble_and_warnings_of_what_is_the_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    uid = world.kubernetes.pipelines["demo"]["metadata"]["uid"]
    world.kubernetes.pods = [pod("worker", waiting={"reason": "ImagePullBackOff"})]
    world.kubernetes.warnings = [
        event("HoldedPipeline", uid, at="2026-01-01T00:00:00Z", message="older"),
        event("Pod", "pod-worker", at="2026-01-02T00:00:00Z", message="newer"),
        event("Pod", "somebody-else", at="2026-01-02T00:00:00Z", message="foreign"),
        event("Pod", "pod-worker", at="2026-01-02T00:00:00Z", message="harmless", severity="Normal"),
    ]
    text = plugin(world, monkeypatch, "why", "demo").stdout
    assert "pod demo-worker-0: image i:1 cannot be pulled" in text
    assert text.index("newer") < text.index("older")
    assert "foreign" not in text
    assert "harmless" not in text


def test_why_of_an_unreachable_system_gives_its_address_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.kafka.error = KafkaUnavailableError("kafka:9092", "refused")
    reconcile(world)
    text = plugin(world, monkeypatch, "why", "demo").stdout
    assert "Kafka at kafka:9092 cannot be reached" in text
    assert "do: check `kafka.bootstrapServers`" in text


def test_why_tells_a_pod_in_trouble_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.kubernetes.pods = [pod("worker", waiting={"reason": "ImagePullBackOff"})]
    world.kubernetes.objects["StatefulSet", "demo-worker"]["status"]["readyReplicas"] = 0
    reconcile(world)
    text = plugin(world, monkeypatch, "why", "demo").stdout
    assert "WorkerReady: PodsFailing" in text
    assert text.count("cannot be pulled") == 1


def test_a_cluster_without_the_definition_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world.kubernetes, "served", lambda: False)
    result = plugin(world, monkeypatch, "status")
    assert result.exit_code == 1
    assert "no CustomResourceDefinition holdedpipelines.holded.dev" in result.stderr
