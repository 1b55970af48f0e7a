"""The trial stack: Kafka, registry and MySQL."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


def by_name(manifests, kind):
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def environment(workload):
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable for variable in container["env"]}


@pytest.fixture
def manifests(render):
    return render("holded-dev")


def test_no_password_is_in_the_chart(manifests, render):
    def passwords(rendered):
        secrets = by_name(rendered, "Secret")
        return {name: secret["stringData"]["password"] for name, secret in secrets.items()}

    first, second = passwords(manifests), passwords(render("holded-dev", "imagePullPolicy=Always"))
    assert first.keys() == {"mysql-credentials", "mysql-root", "schema-registry-database"}
    assert len(set(first.values()) | set(second.values())) == 6
    assert all(re.fullmatch("[A-Za-z0-9]{32}", password) for password in first.values())


def test_passwords_outlive_the_release_as_the_volumes_do(manifests):
    for secret in by_name(manifests, "Secret").values():
        assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_users_are_made_with_the_passwords_of_their_secrets(manifests):
    secrets = by_name(manifests, "Secret")
    script = secrets["mysql-root"]["stringData"]["init.sql"]
    for name in ("mysql-credentials", "schema-registry-database"):
        user = secrets[name]["stringData"]
        assert f"'{user['username']}'@'%' IDENTIFIED BY '{user['password']}'" in script


def test_clients_and_the_broker_itself_reach_kafka(manifests):
    variables = environment(by_name(manifests, "StatefulSet")["kafka"])
    advertised = variables["KAFKA_ADVERTISED_LISTENERS"]["value"].split(",")
    assert advertised == ["PLAINTEXT://kafka.unit.svc:9092", "INTERNAL://localhost:9094"]
    (port,) = by_name(manifests, "Service")["kafka"]["spec"]["ports"]
    assert port["port"] == 9092
    assert variables["KAFKA_AUTO_CREATE_TOPICS_ENABLE"]["value"] == "false"


def test_state_is_on_volumes(manifests):
    for name in ("kafka", "mysql"):
        (claim,) = by_name(manifests, "StatefulSet")[name]["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert (
        environment(by_name(manifests, "Deployment")["schema-registry"])["APICURIO_STORAGE_SQL_KIND"]["value"]
        == "mysql"
    )


def test_values_for_kind_open_exactly_the_mapped_port(render):
    services = by_name(render("holded-dev", values="values-kind.yaml"), "Service")
    opened = {port.get("nodePort") for service in services.values() for port in service["spec"]["ports"]} - {None}
    kind = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    mappings = kind["nodes"][0]["extraPortMappings"]
    demo = yaml.safe_load((ROOT / "tests" / "data" / "demo-pipeline.yaml").read_text())
    collector = demo["spec"]["collector"]["service"]["nodePort"]
    assert opened | {collector} == {mapping["containerPort"] for mapping in mappings}
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}


def test_nothing_is_open_outside_the_cluster_by_default(manifests):
    assert {service["spec"].get("type", "ClusterIP") for service in by_name(manifests, "Service").values()} == {
        "ClusterIP"
    }


def test_the_demo_pipeline_points_at_this_chart(render):
    demo = yaml.safe_load((ROOT / "tests" / "data" / "demo-pipeline.yaml").read_text())["spec"]
    rendered = render("holded-dev")
    services = by_name(rendered, "Service")
    hosts = [
        demo["kafka"]["bootstrapServers"],
        demo["schemaRegistry"]["url"].removeprefix("http://"),
        demo["mysql"]["host"],
    ]
    assert all(host.split(".")[0] in services for host in hosts)
    assert demo["mysql"]["credentialsSecretRef"]["name"] in by_name(rendered, "Secret")
