"""The JobManager: one pod, its Service, and who may talk to it."""

from typing import Any

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.flink import cluster
from holded_operator.desired.flink.cluster import Cluster
from holded_operator.desired.network_policy import ANYBODY, FLINK_OPERATOR, pods_of, policy, rule
from holded_operator.desired.pods import http, port, probe, tmp_volume
from holded_operator.desired.resources import resources
from holded_operator.desired.state import Component, FlinkRole, Manifest
from holded_operator.desired.workloads import stateful_set

ROLE = FlinkRole.JOB_MANAGER
_PORTS = {"rpc": cluster.RPC_PORT, "blob": cluster.BLOB_PORT, "rest": cluster.REST_PORT}


def url(pipeline: HoldedPipeline) -> str:
    """Return the JobManager's REST endpoint; the Flink Kubernetes Operator has a name of its own for it."""
    by_operator = cluster.by_flinks_operator(pipeline)
    host = f"{pipeline.metadata.name}-rest" if by_operator else names.child_name(pipeline, ROLE)
    return f"http://{host}:{cluster.REST_PORT}"


def access(pipeline: HoldedPipeline) -> tuple[Manifest, ...]:
    """Return NetworkPolicy and Service: the submitter and the TaskManagers come in, and whoever reads metrics.

    The Flink Kubernetes Operator makes Services of its own, and asks the JobManager how it is.
    """
    submitter, task_managers = pods_of(pipeline, Component.WORKER), pods_of(pipeline, FlinkRole.TASK_MANAGER)
    by_operator = cluster.by_flinks_operator(pipeline)
    ingress = [
        rule([cluster.REST_PORT], submitter, *([FLINK_OPERATOR] if by_operator else [])),
        rule([cluster.RPC_PORT, cluster.BLOB_PORT], task_managers),
        rule([cluster.METRICS_PORT], ANYBODY),
    ]
    policies = (policy(pipeline, ROLE, ingress),)
    return policies if by_operator else (_service(pipeline), *policies)


def _service(pipeline: HoldedPipeline) -> Manifest:
    """Return the Service.

    The name leads to the pod itself: a connection to an address of the Service's own, begun while there was no pod, can
    end at somebody else's, and is kept.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(pipeline, names.child_name(pipeline, ROLE), ROLE),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": names.selector_labels(pipeline, ROLE),
            "ports": [
                {"name": name, "port": number, "protocol": "TCP", "targetPort": name} for name, number in _PORTS.items()
            ],
        },
    }


def workload(cluster_: Cluster) -> Manifest:
    """Return the StatefulSet. There are never two pods of it at a time, each of which would think that it leads.

    A Deployment of strategy Recreate waits for ever when a pod was evicted before: that pod stays, and its end is what
    the next one would start on.
    """
    return stateful_set(cluster_.pipeline, ROLE, template(cluster_), replicas=int(cluster_.running))


def template(cluster_: Cluster) -> dict[str, Any]:
    """Return the template of the pod."""
    spec = cluster.settings(cluster_.pipeline)
    container = cluster_.flink_container(ROLE) | {
        "ports": [
            *(port(name, number) for name, number in _PORTS.items()),
            port(cluster.METRICS_PORT_NAME, cluster.METRICS_PORT),
        ],
        "resources": resources(ROLE, spec.job_manager.resources),
        "startupProbe": probe(http("/overview", cluster.REST_PORT), period=2, failures=90),
        "livenessProbe": probe(http("/overview", cluster.REST_PORT), period=10, failures=6),
        "readinessProbe": probe(http("/overview", cluster.REST_PORT), period=5, failures=3),
    }
    return cluster_.pod(ROLE, [container], image=cluster_.images.flink, tmp=tmp_volume(cluster.TMP_SIZE))
