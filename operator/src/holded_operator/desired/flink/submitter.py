"""The submitter: the worker's one pod, which keeps the job running and has Beam's job server beside it."""

from typing import Any, Final

from holded_contracts.settings import FlinkSettings
from holded_operator import constants
from holded_operator.api.v1alpha1 import FlinkMode, HoldedPipeline, Resources
from holded_operator.desired.flink import cluster, job_manager, storage
from holded_operator.desired.flink.cluster import Cluster
from holded_operator.desired.pods import CONTAINER_SECURITY, TMP_MOUNT, container, probe, tmp_volume
from holded_operator.desired.resources import Defaults, resources
from holded_operator.desired.state import Component, Manifest
from holded_operator.desired.workloads import stateful_set

JOB_SERVER: Final = "job-server"
JOB_SERVER_PORT: Final = 8099
ARTIFACT_PORT: Final = 8098

_SUBMITTER = Defaults(cpu="25m", memory="256Mi", memory_limit="768Mi")
_JOB_SERVER = Defaults(cpu="25m", memory="512Mi", memory_limit="1Gi")
_JAVA_OPTIONS = "-Xmx512m -XX:MaxMetaspaceSize=256m"


def settings(pipeline: HoldedPipeline) -> FlinkSettings:
    """Return what the submitter, and the job it submits, read of Flink."""
    spec = cluster.settings(pipeline)
    return FlinkSettings(
        jobmanager_url=job_manager.url(pipeline),
        job_server=f"localhost:{JOB_SERVER_PORT}",
        worker_pool=f"localhost:{cluster.POOL_PORT}",
        parallelism=spec.parallelism or spec.task_managers * spec.slots,
        checkpoint_interval_ms=spec.checkpoint_interval_seconds * 1000,
        state_url=storage.url(pipeline),
    )


def workload(cluster_: Cluster) -> Manifest:
    """Return the worker's StatefulSet."""
    worker = cluster_.worker()
    service = container(worker, cluster_.worker_config, cluster_.worker_secrets)
    service |= {
        "command": ["holded-worker-flink"],
        # Where it looks for the newest checkpoint, and notes which one it was.
        "volumeMounts": [*service["volumeMounts"], *storage.mounts(cluster_.pipeline)],
        "resources": resources(_SUBMITTER, Resources()),
    }
    template = cluster_.pod(
        Component.WORKER,
        [service, _job_server(cluster_)],
        image=cluster_.images.worker,
        tmp=tmp_volume(cluster.TMP_SIZE),
        python=cluster_.worker_config,
    )
    by_operator = cluster.by_flinks_operator(cluster_.pipeline)
    return stateful_set(
        cluster_.pipeline,
        Component.WORKER,
        template,
        replicas=int(cluster_.running),
        annotations={constants.ANNOTATION_FLINK_MODE: FlinkMode.OPERATOR.value} if by_operator else None,
    )


def _job_server(cluster_: Cluster) -> dict[str, Any]:
    """Return the container that makes Flink's job of Beam's; it hears nobody but its pod."""
    listens = {"exec": {"command": ["bash", "-c", f"exec 3<>/dev/tcp/localhost/{JOB_SERVER_PORT}"]}}
    return {
        "name": JOB_SERVER,
        "image": cluster_.images.flink_job_server,
        "imagePullPolicy": cluster_.images.pull_policy,
        "args": [
            f"--flink-master={job_manager.url(cluster_.pipeline).removeprefix('http://')}",
            "--job-host=localhost",
            f"--job-port={JOB_SERVER_PORT}",
            f"--artifact-port={ARTIFACT_PORT}",
            "--expansion-port=-1",
            "--artifacts-dir=/tmp/artifacts",
        ],
        "env": [{"name": "JAVA_OPTS", "value": _JAVA_OPTIONS}],
        "volumeMounts": [TMP_MOUNT],
        "resources": resources(_JOB_SERVER, Resources()),
        "securityContext": CONTAINER_SECURITY,
        "startupProbe": probe(listens, period=2, failures=90),
        "livenessProbe": probe(listens, period=10, failures=6),
        "readinessProbe": probe(listens, period=5, failures=3),
    }
