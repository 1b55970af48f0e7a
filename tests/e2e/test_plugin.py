"""`kubectl holded` on a healthy pipeline and on one whose Secret is missing."""

import base64
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import Pipeline
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

TOPICS = {
    name: {"name": f"plugin.{name.lower()}", "partitions": 1}
    for name in ("raw", "silver", "deadLetter", "analytics", "ledger")
}
RULE = {"context": "payroll", "domains": ["Team"], "entities": ["Payslip"], "actions": ["created"]}


def healthy(stack: Stack, **spec: Any) -> dict[str, Any]:
    return stack.resource("plugin", topics=TOPICS, **spec)


def holded(stack: Stack, *arguments: str, stdin: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the plugin as kubectl would: with the kubeconfig in its environment."""
    program = Path(sys.executable).parent / "kubectl-holded"
    return subprocess.run(
        [str(program), *arguments, "--context", f"kind-{stack.cluster.name}", "-n", stack.namespace],
        env=os.environ | {"KUBECONFIG": str(stack.cluster.kubeconfig), "COLUMNS": "200"},
        input=None if stdin is None else yaml.safe_dump(stdin),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    found = Pipeline(stack.cluster, "plugin", stack.namespace)
    stack.cluster.apply(healthy(stack))
    found.wait_ready()
    yield found
    stack.cluster.kubectl("delete", "hp", found.name, "-n", found.namespace, "--ignore-not-found", "--timeout=120s")


@pytest.fixture(scope="module")
def broken(stack: Stack) -> Iterator[Pipeline]:
    found = Pipeline(stack.cluster, "plugin-broken", stack.namespace)
    topics = {name: topic | {"name": f"broken.{name.lower()}"} for name, topic in TOPICS.items()}
    manifest = stack.resource(found.name, topics=topics)
    manifest["spec"]["mysql"]["credentialsSecretRef"]["name"] = "no-such-secret"
    stack.cluster.apply(manifest)
    found.wait_condition("DatabaseReady", "False")
    yield found
    stack.cluster.kubectl("delete", "hp", found.name, "-n", found.namespace, "--ignore-not-found", "--timeout=120s")


def versions(stack: Stack, pipeline: Pipeline) -> dict[str, str]:
    """Return generation of the resource and of what it owns, by kind and name: what a plan must not move."""
    items = [pipeline.read(), *pipeline.owned()]
    return {f"{i['kind']}/{i['metadata']['name']}": str(i["metadata"].get("generation")) for i in items}


def test_status_shows_a_healthy_pipeline(stack: Stack, pipeline: Pipeline) -> None:
    listed = holded(stack, "status")
    assert listed.returncode == 0, listed.stderr
    assert pipeline.name in listed.stdout
    one = holded(stack, "status", pipeline.name, "--output", "json")
    document = json.loads(one.stdout)
    assert document["ready"] is True
    assert [entry["ready"] for entry in document["components"]] == [entry["wanted"] for entry in document["components"]]
    assert len(document["topics"]) == 5
    assert "WorkerReady" in holded(stack, "status", pipeline.name).stdout


def test_why_of_a_healthy_pipeline_is_ready(stack: Stack, pipeline: Pipeline) -> None:
    result = holded(stack, "why", pipeline.name)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{pipeline.namespace}/{pipeline.name} is Ready" in result.stdout


def test_a_plan_without_a_change_says_that_nothing_changes(stack: Stack, pipeline: Pipeline) -> None:
    before = versions(stack, pipeline)
    result = holded(stack, "plan", "-f", "-", stdin=healthy(stack))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "nothing changes" in result.stdout
    assert versions(stack, pipeline) == before


def test_a_plan_with_an_edited_rule_says_what_rolls_and_it_does(stack: Stack, pipeline: Pipeline) -> None:
    before = versions(stack, pipeline)
    edited = healthy(stack, worker={"classification": {"rules": [RULE]}})
    result = holded(stack, "plan", "-f", "-", "--output", "json", stdin=edited)
    assert result.returncode == 2, result.stdout + result.stderr
    plan = json.loads(result.stdout)
    assert [step["what"] for step in plan["objects"] if step["replacedPods"]] == ["StatefulSet plugin-worker"]
    planned = {step["what"] for step in plan["objects"] if step["action"] != "unchanged"}
    assert planned == {"ConfigMap plugin-worker", "StatefulSet plugin-worker"}
    assert versions(stack, pipeline) == before, "a plan writes nothing"
    stack.cluster.apply(edited)
    pipeline.wait_ready()
    after = versions(stack, pipeline)
    moved = {name for name in before if name in after and before[name] != after[name] and "Pod/" not in name}
    assert moved == {"HoldedPipeline/plugin", "StatefulSet/plugin-worker"}
    wait_until(
        lambda: holded(stack, "plan", "-f", "-", stdin=edited).returncode == 0,
        timeout=60,
        what="the edit is applied, and nothing is left to change",
    )
    stack.cluster.apply(healthy(stack))
    pipeline.wait_ready()


def test_a_plan_tells_the_rules_of_the_api_server(stack: Stack, pipeline: Pipeline) -> None:
    renamed = healthy(stack)
    renamed["spec"]["topics"] = TOPICS | {"raw": {"name": "another", "partitions": 1}}
    result = holded(stack, "plan", "-f", "-", stdin=renamed)
    assert result.returncode == 1
    assert "spec.topics.raw" in result.stdout


def test_why_of_a_missing_secret_names_field_and_remedy(stack: Stack, broken: Pipeline) -> None:
    result = holded(stack, "why", broken.name)
    assert result.returncode == 1
    assert "spec.mysql.credentialsSecretRef: Secret 'no-such-secret' does not exist" in result.stdout
    assert "do: create it there" in result.stdout


@pytest.mark.parametrize("which", ["pipeline", "broken"])
def test_a_bundle_holds_no_secret_value(
    stack: Stack, request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    name = request.getfixturevalue(which).name
    file = tmp_path / "bundle.tar.gz"
    result = holded(stack, "diagnose", name, "-o", str(file))
    assert result.returncode == 0, result.stderr
    with tarfile.open(file) as archive:
        texts = {
            member.name: content.read().decode()
            for member in archive.getmembers()
            if (content := archive.extractfile(member))
        }
    assert any(path.endswith("pipeline.yaml") for path in texts)
    assert any("/operator/logs/" in path for path in texts)
    secret = stack.cluster.get("secret", "mysql-credentials", stack.namespace)
    password = base64.b64decode(secret["data"]["password"]).decode()
    for path, text in texts.items():
        assert password not in text, path
        assert secret["data"]["password"] not in text, path
