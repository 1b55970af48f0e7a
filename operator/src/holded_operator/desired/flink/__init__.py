"""Runner Flink: a session cluster of the pipeline's own, and a submitter that keeps one job running on it.

The submitter takes the place of the embedded worker's pods: the same StatefulSet, whose one pod has Beam's job server
beside it. The Python steps run in a sidecar of each TaskManager, from the worker's image. Their settings travel
with the job, so that an edit replaces the job and no TaskManager.

JobManager and TaskManagers are StatefulSets, or a FlinkDeployment that the Flink Kubernetes Operator makes them from.
"""

from collections.abc import Mapping

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired.config_maps import config_map
from holded_operator.desired.flink import configuration, deployment, job_manager, storage, submitter, task_manager
from holded_operator.desired.flink.cluster import Cluster, by_flinks_operator
from holded_operator.desired.settings import pool_settings
from holded_operator.desired.state import FlinkRole, Images, Manifest

secret_names = storage.secret_names
settings = submitter.settings


def objects(
    pipeline: HoldedPipeline, images: Images, config: Manifest, secret_checksums: Mapping[str, str], *, replicas: int
) -> tuple[Manifest, ...]:
    """Return Flink's objects and the submitter's pods in apply order; `config` is the worker's ConfigMap.

    Without replicas of the worker nothing runs, and the state stays.
    """
    by_operator = by_flinks_operator(pipeline)
    cluster = Cluster(
        pipeline=pipeline,
        images=images,
        worker_config=config,
        pool_config=config_map(
            pipeline, FlinkRole.TASK_MANAGER, pool_settings(pipeline, flink=submitter.settings(pipeline))
        ),
        flink_config=None if by_operator else configuration.config_map(pipeline),
        secret_checksums=secret_checksums,
        running=replicas > 0,
    )
    return (
        cluster.pool_config,
        *([] if cluster.flink_config is None else [cluster.flink_config]),
        *storage.volume_claims(pipeline),
        *job_manager.access(pipeline),
        *task_manager.access(pipeline),
        *(
            deployment.workloads(cluster)
            if by_operator
            else (job_manager.workload(cluster), task_manager.workload(cluster))
        ),
        submitter.workload(cluster),
        *task_manager.budget(cluster),
    )
