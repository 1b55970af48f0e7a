"""Every pod that a chart brings meets Pod Security `restricted`, and more."""

from typing import Any

import pytest

CHARTS = ["holded-dev", "holded-pipeline"]


def templates(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [manifest["spec"]["template"]["spec"] for manifest in manifests if "template" in manifest.get("spec", {})]
    assert found
    return found


def all_containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@pytest.fixture(params=CHARTS)
def pods(request, render):
    return templates(render(request.param))


def test_pods_are_restricted(pods):
    for pod in pods:
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for volume in pod["volumes"]:
            assert volume.keys() - {"name"} <= {"emptyDir", "secret", "configMap", "projected"}


def test_containers_are_restricted_on_a_read_only_root(pods):
    for pod in pods:
        for container in all_containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_containers_have_requests_and_limits(pods):
    for pod in pods:
        for container in all_containers(pod):
            for kind in ("requests", "limits"):
                assert container["resources"][kind].keys() == {"cpu", "memory"}, container["name"]


def test_containers_have_all_three_probes(pods):
    for pod in pods:
        for container in pod["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), container["name"]


def test_pods_see_no_service_variables(pods):
    assert all(pod["enableServiceLinks"] is False for pod in pods)


def test_only_the_operator_holds_a_token(render):
    assert all(pod["automountServiceAccountToken"] is False for pod in templates(render("holded-dev")))
    (operator,) = templates(render("holded-pipeline"))
    assert operator["automountServiceAccountToken"] is True


def test_images_are_pinned_and_may_come_from_the_node(render):
    for chart in CHARTS:
        for pod in templates(render(chart)):
            for container in all_containers(pod):
                assert container["image"].partition(":")[2] not in {"", "latest"}
                assert container["imagePullPolicy"] == "IfNotPresent"


def test_the_trial_stack_leaves_room_on_two_cores(render):
    requested = 0
    for pod in templates(render("holded-dev")):
        for container in pod["containers"]:
            requested += int(container["resources"]["requests"]["cpu"].removesuffix("m"))
    assert requested <= 400
