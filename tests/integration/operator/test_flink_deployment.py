"""What mode Operator renders is what the Flink Kubernetes Operator's own CRD takes, field by field."""

from typing import Any

import jsonschema_rs
import pytest

from holded_operator.desired import DesiredState
from holded_operator.desired.flink.deployment import API_VERSION, FLINK_VERSION
from tests.support.flink_operator import flink_deployment_crd, strict
from tests.unit.operator.samples import merged, rendered, sample

pytestmark = pytest.mark.integration

RELEASE = "1.10.0"
OPERATOR: dict[str, Any] = {"worker": {"runner": "Flink", "autoscaling": None, "flink": {"mode": "Operator"}}}
CASES = {
    "defaults": ("minimal", {}),
    "everything": ("full", {}),
    "a volume of one node": ("flink", {}),
    "an object store": ("flink-operator", {}),
    "a CPU limit": ("minimal", {"worker": {"flink": {"taskManager": {"resources": {"limits": {"cpu": "1500m"}}}}}}),
}


@pytest.fixture(scope="module")
def crd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return flink_deployment_crd(RELEASE, tmp_path_factory.mktemp("crd"))


def version(crd: dict[str, Any]) -> dict[str, Any]:
    group, _, name = API_VERSION.partition("/")
    assert crd["spec"]["group"] == group
    (found,) = [entry for entry in crd["spec"]["versions"] if entry["name"] == name]
    return dict(found)


def deployment(state: DesiredState) -> dict[str, Any]:
    (found,) = [item for item in state.objects if item["kind"] == "FlinkDeployment"]
    return found


def schema(crd: dict[str, Any]) -> dict[str, Any]:
    return strict(version(crd)["schema"]["openAPIV3Schema"]["properties"]["spec"])


@pytest.mark.parametrize("case", CASES)
def test_the_crd_takes_what_is_rendered_and_knows_every_field(crd: dict[str, Any], case: str) -> None:
    which, change = CASES[case]
    found = deployment(rendered(sample(which, merged(OPERATOR, change))))
    errors = [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in jsonschema_rs.validator_for(schema(crd)).iter_errors(found["spec"])
    ]
    assert errors == []


@pytest.mark.parametrize(
    "change",
    [
        {"nonsense": 1},
        {"mode": "Standalone"},
        {"flinkVersion": "v1_12"},
        {"jobManager": {"podTemplate": {"spec": {"containers": [{"name": "a", "volumeMount": []}]}}}},
        {"taskManager": {"resource": {"cpu": "1"}}},
    ],
    ids=str,
)
def test_the_check_refuses_what_the_crd_does_not_know(crd: dict[str, Any], change: dict[str, Any]) -> None:
    found = merged(deployment(rendered(sample(change=OPERATOR)))["spec"], change)
    assert not jsonschema_rs.validator_for(schema(crd)).is_valid(found)


def test_the_kind_is_where_we_ask_for_it_and_has_the_status_that_we_read(crd: dict[str, Any]) -> None:
    assert crd["spec"]["names"]["kind"] == "FlinkDeployment"
    assert crd["spec"]["names"]["plural"] == "flinkdeployments"
    assert crd["spec"]["scope"] == "Namespaced"
    found = version(crd)
    assert "status" in found["subresources"]
    root = found["schema"]["openAPIV3Schema"]["properties"]
    status = root["status"]["properties"]
    assert status["error"]["type"] == "string"
    assert status["observedGeneration"]["type"] == "integer"
    assert "READY" in status["jobManagerDeploymentStatus"]["enum"]
    assert FLINK_VERSION in root["spec"]["properties"]["flinkVersion"]["enum"]
