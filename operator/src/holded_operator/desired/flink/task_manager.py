"""The TaskManagers: each pod is Flink's container and one that runs the pipeline's Python steps for it."""

from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline, StateBackend
from holded_operator.desired import quantities
from holded_operator.desired.flink import cluster
from holded_operator.desired.flink.cluster import Cluster
from holded_operator.desired.network_policy import ANYBODY, pods_of, policy, rule
from holded_operator.desired.pods import container, port, probe, tmp_volume
from holded_operator.desired.resources import resources
from holded_operator.desired.state import FlinkRole, Manifest
from holded_operator.desired.workloads import disruption_budget, headless_service, stateful_set

ROLE = FlinkRole.TASK_MANAGER
PYTHON = "python"
"""Name of the container that runs the Python steps."""


def access(pipeline: HoldedPipeline) -> tuple[Manifest, ...]:
    """Return NetworkPolicy and a StatefulSet's Service: JobManager and TaskManagers come in, and whoever reads metrics.

    The worker pool is nobody's to reach: it runs whatever it is sent.
    """
    ingress = [
        rule([cluster.TASK_RPC_PORT, cluster.QUERY_PORT], pods_of(pipeline, FlinkRole.JOB_MANAGER)),
        rule([cluster.TASK_DATA_PORT], pods_of(pipeline, ROLE)),
        rule([constants.PROBES_PORT, cluster.METRICS_PORT], ANYBODY),
    ]
    if cluster.by_flinks_operator(pipeline):
        return (policy(pipeline, ROLE, ingress),)
    return headless_service(pipeline, ROLE, constants.PROBES_PORT), policy(pipeline, ROLE, ingress)


def workload(cluster_: Cluster) -> Manifest:
    """Return the StatefulSet; a pod's name is its identity in Flink, so a new one takes its predecessor's place."""
    replicas = cluster.settings(cluster_.pipeline).task_managers if cluster_.running else 0
    return stateful_set(cluster_.pipeline, ROLE, template(cluster_), replicas=replicas)


def template(cluster_: Cluster) -> dict[str, Any]:
    """Return the template of the pods."""
    spec = cluster.settings(cluster_.pipeline)
    on_disk = spec.state_backend is StateBackend.ROCKSDB
    tmp = tmp_volume(quantities.canonical(spec.state.size) if on_disk else cluster.TMP_SIZE)
    return cluster_.pod(
        ROLE, [_flink(cluster_), _python(cluster_)], image=cluster_.images.worker, tmp=tmp, python=cluster_.pool_config
    )


def budget(cluster_: Cluster) -> tuple[Manifest, ...]:
    """Return the budget that lets a drain take one TaskManager at a time."""
    most = cluster.settings(cluster_.pipeline).task_managers if cluster_.running else 0
    return disruption_budget(cluster_.pipeline, ROLE, most=most)


def _flink(cluster_: Cluster) -> dict[str, Any]:
    listens = {"tcpSocket": {"port": cluster.TASK_RPC_PORT}}
    name = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    return cluster_.flink_container(ROLE) | {
        "args": [ROLE.value, "-Dtaskmanager.resource-id=$(POD_NAME)"],
        "env": [{"name": "POD_NAME", "valueFrom": name}],
        "ports": [
            port("rpc", cluster.TASK_RPC_PORT),
            port("data", cluster.TASK_DATA_PORT),
            port(cluster.METRICS_PORT_NAME, cluster.METRICS_PORT),
        ],
        "resources": resources(ROLE, cluster.settings(cluster_.pipeline).task_manager.resources),
        "startupProbe": probe(listens, period=2, failures=90),
        "livenessProbe": probe(listens, period=10, failures=6),
        "readinessProbe": probe(listens, period=5, failures=3),
    }


def _python(cluster_: Cluster) -> dict[str, Any]:
    return container(cluster_.worker(), cluster_.pool_config, cluster_.worker_secrets) | {
        "name": PYTHON,
        "command": ["holded-worker-pool"],
    }
