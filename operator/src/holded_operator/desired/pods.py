"""What every pod has in common: security, probes, configuration, placement."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline, PodTemplate, Resources
from holded_operator.desired import names
from holded_operator.desired.resources import resources
from holded_operator.desired.secret_use import SecretUse, secret_use
from holded_operator.desired.state import Component, Manifest

PORT_NAME = "http"
"""Name of the one port each container has, whatever its number."""
_TMP_SIZE = "256Mi"


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
    """Return the pod template of a Deployment or StatefulSet."""
    secrets = secret_use(pipeline, workload.component)
    extra, version = workload.template.metadata, names.image_version(workload.image)
    return {
        "metadata": {
            "labels": {**extra.labels, **names.labels(pipeline, workload.component, version=version)},
            "annotations": {**extra.annotations, **_checksums(config, secrets, secret_checksums)},
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
            "containers": [_container(workload, config, secrets)],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": _TMP_SIZE}}, *secrets.volumes],
            **_placement(pipeline, workload),
        },
    }


def _container(workload: Workload, config: Manifest, secrets: SecretUse) -> dict[str, Any]:
    container = {
        "name": workload.component.value,
        "image": workload.image,
        "imagePullPolicy": workload.pull_policy,
        "ports": [{"name": PORT_NAME, "containerPort": workload.port, "protocol": "TCP"}],
        "envFrom": [{"configMapRef": {"name": config["metadata"]["name"]}}],
        "env": [
            {"name": "HOLDED_POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            *secrets.env,
        ],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *secrets.mounts],  # noqa: S108 -- the pod's own emptyDir
        "resources": resources(workload.component, workload.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # Startup and liveness ask for life only: a pod whose Kafka is away is not ready, but a restart would not help.
        "startupProbe": _probe("/health", period=2, failures=workload.startup_seconds // 2),
        "livenessProbe": _probe("/health", period=10, failures=6),
        "readinessProbe": _probe("/ready", period=5, failures=3),
    }
    if workload.pre_stop_seconds:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": workload.pre_stop_seconds}}}
    return container


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": PORT_NAME},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _placement(pipeline: HoldedPipeline, workload: Workload) -> dict[str, Any]:
    spec = workload.template.spec
    spread_over_nodes = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": names.selector_labels(pipeline, workload.component)},
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


def _checksums(config: Manifest, secrets: SecretUse, known: Mapping[str, str]) -> dict[str, str]:
    checksums = {constants.ANNOTATION_CONFIG_CHECKSUM: digest(config["data"])}
    used = {name: known[name] for name in secrets.names if name in known}
    if used:
        checksums[constants.ANNOTATION_SECRET_CHECKSUM] = digest(used)
    return checksums


def digest(content: Any) -> str:
    """Return 16 hexadecimal digits that change when the JSON content does."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
