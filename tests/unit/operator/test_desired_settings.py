"""The operator renders exactly what the services parse."""

import pytest

from holded_contracts import settings as contract
from holded_operator.api.v1alpha1 import Runner
from holded_operator.desired import Component, flink
from holded_operator.desired.settings import collector_settings, sink_settings, worker_settings
from tests.unit.operator.samples import NAMES, rendered, sample


def _environment(monkeypatch: pytest.MonkeyPatch, name: str, component: Component) -> None:
    """Set what a container of this component sees, the values of Secrets made up."""
    state = rendered(sample(name))
    config = state.find("ConfigMap", f"{name}-{component}")
    assert config is not None
    for variable, text in config["data"].items():
        monkeypatch.setenv(variable, text)
    for entry in state.workload(component)["spec"]["template"]["spec"]["containers"][0]["env"]:
        monkeypatch.setenv(entry["name"], f"value of {entry['name']}")


@pytest.mark.parametrize("name", NAMES)
def test_collector_parses_what_is_rendered(monkeypatch: pytest.MonkeyPatch, name: str):
    _environment(monkeypatch, name, Component.COLLECTOR)
    parsed = contract.CollectorSettings()

    assert _plain(parsed) == _plain(collector_settings(sample(name), version="1.2.3"))


@pytest.mark.parametrize("name", NAMES)
def test_worker_parses_what_is_rendered(monkeypatch: pytest.MonkeyPatch, name: str):
    _environment(monkeypatch, name, Component.WORKER)
    parsed = contract.WorkerSettings()

    on_flink = sample(name).spec.worker.runner is Runner.FLINK
    wanted = worker_settings(
        sample(name),
        version=rendered(sample(name)).pipeline_version,
        flink=flink.settings(sample(name)) if on_flink else None,
    )

    assert _plain(parsed) == _plain(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_sink_parses_what_is_rendered(monkeypatch: pytest.MonkeyPatch, name: str):
    _environment(monkeypatch, name, Component.SINK)
    parsed = contract.SinkSettings()

    assert _plain(parsed) == _plain(sink_settings(sample(name), version="1.2.3"))
    assert parsed.mysql.username == "value of HOLDED_MYSQL__USERNAME"
    assert parsed.mysql.password.get_secret_value() == "value of HOLDED_MYSQL__PASSWORD"


def test_credentials_reach_every_service_that_talks_to_kafka(monkeypatch: pytest.MonkeyPatch):
    _environment(monkeypatch, "full", Component.WORKER)
    parsed = contract.WorkerSettings()

    assert parsed.kafka.client_config()["sasl.password"] == "value of HOLDED_KAFKA__SASL_PASSWORD"
    assert parsed.schema_registry.username == "value of HOLDED_SCHEMA_REGISTRY__USERNAME"
    assert parsed.pod_name == "value of HOLDED_POD_NAME"


@pytest.mark.parametrize("component", tuple(Component))
def test_every_file_named_in_the_environment_is_mounted(component: Component):
    state = rendered(sample("full"))
    config = state.find("ConfigMap", f"full-{component}")
    assert config is not None
    spec = state.workload(component)["spec"]["template"]["spec"]
    folders = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    mounted = {
        f"{folders[volume['name']]}/{item['path']}"
        for volume in spec["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        for item in source["secret"]["items"]
    }

    assert {text for text in config["data"].values() if text.startswith("/etc/holded/")} == mounted


def _plain(settings: contract.ServiceSettings) -> dict[str, object]:
    """Return the settings without what reaches a pod by reference."""
    document = settings.model_dump(mode="json")
    document.pop("pod_name")
    for part in ("kafka", "schema_registry", "mysql"):
        for key in ("username", "password", "sasl_username", "sasl_password"):
            document.get(part, {}).pop(key, None)
    return document
