"""The JobManager: one pod, its Service, and who may talk to it."""

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.flink import cluster
from holded_operator.desired.flink.cluster import Cluster
from holded_operator.desired.network_policy import ANYBODY, pods_of, policy, rule
from holded_operator.desired.pods import http, port, probe, tmp_volume
from holded_operator.desired.resources import resources
from holded_operator.desired.state import Component, FlinkRole, Manifest
from holded_operator.desired.workloads import stateful_set

ROLE = FlinkRole.JOB_MANAGER
_PORTS = {"rpc": cluster.RPC_PORT, "blob": cluster.BLOB_PORT, "rest": cluster.REST_PORT}


def url(pipeline: HoldedPipeline) -> str:
    """Return the JobManager's REST endpoint."""
    return f"http://{names.child_name(pipeline, ROLE)}:{cluster.REST_PORT}"


def access(pipeline: HoldedPipeline) -> tuple[Manifest, ...]:
    """Return Service and NetworkPolicy: the submitter and the TaskManagers come in, and whoever reads metrics.

    The name leads to the pod itself: a connection to an address of the Service's own, begun while there was no pod, can
    end at somebody else's, and is kept.
    """
    service = {
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
    task_managers = pods_of(pipeline, FlinkRole.TASK_MANAGER)
    ingress = [
        rule([cluster.REST_PORT], pods_of(pipeline, Component.WORKER)),
        rule([cluster.RPC_PORT, cluster.BLOB_PORT], task_managers),
        rule([cluster.METRICS_PORT], ANYBODY),
    ]
    return service, policy(pipeline, ROLE, ingress)


def workload(cluster_: Cluster) -> Manifest:
    """Return the StatefulSet. There are never two pods of it at a time, each of which would think that it leads.

    A Deployment of strategy Recreate waits for ever when a pod was evicted before: that pod stays, and its end is what
    the next one would start on.
    """
    spec = cluster.settings(cluster_.pipeline)
    container = cluster_.flink_container(ROLE) | {
        "ports": [
            *(port(name, number) for name, number in _PORTS.items()),
            port(cluster.METRICS_PORT_NAME, cluster.METRICS_PORT),
        ],
        "resources": resources(ROLE, spec.job_manager.resources),
        "startupProbe": probe(http("/overview", "rest"), period=2, failures=90),
        "livenessProbe": probe(http("/overview", "rest"), period=10, failures=6),
        "readinessProbe": probe(http("/overview", "rest"), period=5, failures=3),
    }
    template = cluster_.pod(ROLE, [container], image=cluster_.images.flink, tmp=tmp_volume(cluster.TMP_SIZE))
    return stateful_set(cluster_.pipeline, ROLE, template, replicas=int(cluster_.running))
