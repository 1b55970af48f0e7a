"""`kubectl holded diagnose`: everything a bug report needs, and no credential."""

import base64
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from holded_cli.cluster.redaction import REDACTED, redacted, redacted_text, secret_texts
from tests.support.operator_fakes import World
from tests.unit.cli.cluster_world import event, plugin, pod, running

SECRETS = {
    "mysql": {"username": b"gold-writer", "password": b"correct-horse/battery+staple"},
    "kafka": {"username": b"stream-user", "password": b'quo"ted\\pass'},
    "keys": {"shop": b"k-5f2a9c"},
    "authority": {"ca.crt": trustme.CA().cert_pem.bytes()},
}


@pytest.fixture
def world() -> World:
    spec: dict[str, Any] = {
        "kafka": {
            "bootstrapServers": "kafka:9093",
            "security": {
                "protocol": "SASL_SSL",
                "saslMechanism": "PLAIN",
                "credentialsSecretRef": {"name": "kafka"},
                "caSecretRef": {"name": "authority"},
            },
        },
        "collector": {"authentication": {"mode": "ApiKey", "secretRef": {"name": "keys"}}},
    }
    world = running(SECRETS, **spec)
    values = [value.decode() for values in SECRETS.values() for value in values.values()]
    spilled = [
        *values,
        *(json.dumps(value) for value in values),
        *(base64.b64encode(v.encode()).decode() for v in values),
    ]
    log = "\n".join(f"line {number}: cannot log in with {value}" for number, value in enumerate(spilled))
    worker = pod("worker", waiting={"reason": "CreateContainerError", "message": values[1]})
    worker["metadata"]["annotations"] = {"note": f"rotated from {values[1]}"}
    operator = pod("operator")
    operator["metadata"]["name"] = "holded-operator-0"
    world.kubernetes.pods = [worker, pod("sink")]
    world.kubernetes.operator_pods = [operator]
    world.kubernetes.logs = {"demo-worker-0": log, "demo-sink-0": "ready", "holded-operator-0": log}
    world.kubernetes.warnings = [event("Pod", "pod-worker", at="2026-01-01T00:00:00Z", message=values[3])]
    return world


def unpacked(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "bundle.tar.gz"
    result = plugin(world, monkeypatch, "diagnose", "demo", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert world.writes.done == []
    with tarfile.open(file) as archive:
        members = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive.getmembers()}
        return {name: content.read().decode() for name, content in members.items() if content}


def test_no_value_of_any_secret_is_in_the_bundle(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = unpacked(world, monkeypatch, tmp_path)
    for name, values in world.kubernetes.secrets.items():
        for key, value in values.items():
            forms = (value.decode(), json.dumps(value.decode())[1:-1], base64.b64encode(value).decode())
            for path, text in files.items():
                assert not any(form in text for form in forms), f"{name}.{key} is in {path}"
    assert files["logs/demo-worker-0/worker.log"].count(REDACTED) >= 18


def test_the_bundle_has_what_a_report_needs(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = unpacked(world, monkeypatch, tmp_path)
    assert {
        "README.txt",
        "pipeline.yaml",
        "why.yaml",
        "events.yaml",
        "versions.yaml",
        "objects/StatefulSet-demo-worker.yaml",
        "pods/demo-worker-0.yaml",
        "logs/demo-worker-0/worker.log",
        "logs/demo-worker-0/worker.previous.log",
        "logs/demo-sink-0/sink.log",
        "operator/pods/holded-operator-0.yaml",
        "operator/logs/holded-operator-0/operator.log",
    } <= files.keys()
    assert not any("secret" in path.lower() for path in files)
    sink = yaml.safe_load(files["objects/StatefulSet-demo-sink.yaml"])
    env = {entry["name"]: entry for entry in sink["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["HOLDED_MYSQL__PASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "mysql", "key": "password"}}
    assert yaml.safe_load(files["versions.yaml"])["kubernetes"] == "v1.34.0"
    assert files["logs/demo-sink-0/sink.log"] == "ready"


def test_secrets_that_may_not_be_read_are_noted_and_the_bundle_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.kubernetes.readable_secrets = False
    world.kubernetes.logs = {"demo-sink-0": "connecting with password=hunter22 to mysql://root:hunter22@mysql"}
    files = unpacked(world, monkeypatch, tmp_path)
    assert "Secret mysql is forbidden" in files["README.txt"]
    assert files["logs/demo-sink-0/sink.log"] == f"connecting with password={REDACTED} to mysql://{REDACTED}@mysql"


@pytest.mark.parametrize(
    "text",
    [
        "password=s3cretvalue",
        '{"sasl.password": "s3cretvalue", "a": 1}',
        '{\\"api_key\\": \\"s3cretvalue\\"}',
        "Authorization: Bearer s3cretvalue",
        "authorization: Basic czNjcmV0dmFsdWU= s",
        "amqp://user:s3cretvalue@host:1",
        "-----BEGIN RSA PRIVATE KEY-----\ns3cretvalue\n-----END RSA PRIVATE KEY-----",
        "got eyJhbGciOiJI.s3cretvalue.abc",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    shown = redacted_text(text)
    assert REDACTED in shown
    assert "s3cretvalue" not in shown
    assert "czNjcmV0" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "spec.mysql.credentialsSecretRef: Secret 'mysql' does not exist in this namespace",
        "Kafka at kafka:9092 cannot be reached: timed out",
        "http://registry:8080/apis/ccompat/v7",
        "holded.dev/secret-checksum",
    ],
)
def test_what_names_a_secret_without_its_value_stays(text: str) -> None:
    assert redacted_text(text) == text


def test_an_environment_variable_keeps_its_reference_and_loses_its_value() -> None:
    reference = {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "mysql", "key": "password"}}}
    assert redacted([reference, {"name": "DB_PASSWORD", "value": "x1"}, {"name": "LEVEL", "value": "info"}]) == [
        reference,
        {"name": "DB_PASSWORD", "value": REDACTED},
        {"name": "LEVEL", "value": "info"},
    ]


def test_what_the_resource_says_in_clear_is_no_secret() -> None:
    assert secret_texts([b"holded", b"other-word"], public="database: holded") == (
        "b3RoZXItd29yZA==",
        "other-word",
        "aG9sZGVk",
    )
