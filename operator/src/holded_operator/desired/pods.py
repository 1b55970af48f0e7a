"""What every pod has in common: security, probes, configuration, placement."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline, PodTemplate, Resources
from holded_operator.desired import names
from holded_operator.desired.resources import resources
from holded_operator.desired.secret_use import SecretUse, secret_use
from holded_operator.desired.state import Component, Manifest, Part

PORT_NAME = "http"
"""Name of the one port each container has, whatever its number."""
_TMP_SIZE = "256Mi"
TMP_MOUNT: dict[str, Any] = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 -- the pod's own emptyDir
CONTAINER_SECURITY: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""Pod Security `restricted`, and a root file system that nothing can be written to."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What differs from one component to the next."""

    component: Component
    image: str
    pull_policy: str
    port: int
    startup_seconds: int
    """Time a slow node may take to import and start; after it the container is restarted."""
    resources: Resources
    template: PodTemplate
    pre_stop_seconds: int = 0


def pod_template(
    pipeline: HoldedPipeline, workload: Workload, config: Manifest, secret_checksums: Mapping[str, str]
) -> dict[str, Any]:
    """Return the pod template of a component that is one container."""
    secrets = secret_use(pipeline, workload.component)
    return pod(
        pipeline,
        workload.component,
        workload.template,
        version=names.image_version(workload.image),
        annotations=checksums([config], secrets.names, secret_checksums),
        containers=[container(workload, config, secrets)],
        volumes=[tmp_volume(), *secrets.volumes],
    )


def pod(
    pipeline: HoldedPipeline,
    part: Part,
    template: PodTemplate,
    *,
    version: str,
    annotations: Mapping[str, str],
    containers: Sequence[dict[str, Any]],
    volumes: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the pod template of any pod of ours around its containers."""
    extra = template.metadata
    notes = {**extra.annotations, **annotations}
    return {
        "metadata": {
            "labels": {**extra.labels, **names.labels(pipeline, part, version=version)},
            **({"annotations": notes} if notes else {}),
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": constants.RUN_AS_ID,
                "runAsGroup": constants.RUN_AS_ID,
                "fsGroup": constants.RUN_AS_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": list(containers),
            "volumes": list(volumes),
            **_placement(pipeline, part, template),
        },
    }


def container(workload: Workload, config: Manifest, secrets: SecretUse) -> dict[str, Any]:
    """Return the container of one of our services."""
    found = {
        "name": workload.component.value,
        "image": workload.image,
        "imagePullPolicy": workload.pull_policy,
        "ports": [port(PORT_NAME, workload.port)],
        "envFrom": [{"configMapRef": {"name": config["metadata"]["name"]}}],
        "env": [
            {"name": "HOLDED_POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            *secrets.env,
        ],
        "volumeMounts": [TMP_MOUNT, *secrets.mounts],
        "resources": resources(workload.component, workload.resources),
        "securityContext": CONTAINER_SECURITY,
        # Startup and liveness ask for life only: a pod whose Kafka is away is not ready, but a restart would not help.
        "startupProbe": probe(http("/health"), period=2, failures=workload.startup_seconds // 2),
        "livenessProbe": probe(http("/health"), period=10, failures=6),
        "readinessProbe": probe(http("/ready"), period=5, failures=3),
    }
    if workload.pre_stop_seconds:
        found["lifecycle"] = {"preStop": {"sleep": {"seconds": workload.pre_stop_seconds}}}
    return found


def port(name: str, number: int) -> dict[str, Any]:
    """Return a container's port."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def http(path: str, port: str | int = PORT_NAME) -> dict[str, Any]:
    """Return a probe's question over HTTP, to a port by name or number."""
    return {"httpGet": {"path": path, "port": port}}


def probe(question: dict[str, Any], *, period: int, failures: int) -> dict[str, Any]:
    """Return a probe."""
    return {**question, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures}


def tmp_volume(size: str = _TMP_SIZE) -> dict[str, Any]:
    """Return the volume of TMP_MOUNT."""
    return {"name": "tmp", "emptyDir": {"sizeLimit": size}}


def _placement(pipeline: HoldedPipeline, part: Part, template: PodTemplate) -> dict[str, Any]:
    spec = template.spec
    spread_over_nodes = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": names.selector_labels(pipeline, part)},
    }
    optional = {
        "nodeSelector": dict(spec.node_selector),
        "tolerations": [t.model_dump(by_alias=True, exclude_none=True) for t in spec.tolerations],
        "affinity": spec.affinity,
        "priorityClassName": spec.priority_class_name,
        "imagePullSecrets": [{"name": ref.name} for ref in spec.image_pull_secrets],
    }
    return {
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "topologySpreadConstraints": [*spec.topology_spread_constraints] or [spread_over_nodes],
        **{key: value for key, value in optional.items() if value},
    }


def checksums(configs: Sequence[Manifest], secrets: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations that roll pods when their ConfigMaps or Secrets change; `known` are Secrets' checksums."""
    data = [config["data"] for config in configs]
    found = {constants.ANNOTATION_CONFIG_CHECKSUM: digest(data if len(data) > 1 else data[0])} if data else {}
    used = {name: known[name] for name in sorted(secrets) if name in known}
    if used:
        found[constants.ANNOTATION_SECRET_CHECKSUM] = digest(used)
    return found


def digest(content: Any) -> str:
    """Return 16 hexadecimal digits that change when the JSON content does."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
