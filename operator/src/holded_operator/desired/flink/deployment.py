"""JobManager and TaskManagers as a FlinkDeployment, from which the Flink Kubernetes Operator makes the same pods.

A session cluster (there is no `job`: the submitter's is Beam's) of mode standalone, so that nothing in Flink's pods
talks to Kubernetes and none of them holds a token. What the other operator writes into its pods itself is left out.

Source: https://nightlies.apache.org/flink/flink-kubernetes-operator-docs-main/docs/custom-resource/reference/
"""

from typing import Any, Final

from holded_operator.desired import names
from holded_operator.desired.flink import cluster, configuration, job_manager, task_manager
from holded_operator.desired.flink.cluster import Cluster
from holded_operator.desired.state import FLINK_DEPLOYMENT, FlinkRole, Manifest

API_VERSION: Final = "flink.apache.org/v1beta1"
FLINK_VERSION: Final = "v1_19"
"""Minor version of the image of Flink, as the kind spells it."""
MAIN_CONTAINER: Final = "flink-main-container"
_ITS_FIELDS: Final = frozenset({"args", "env", "image", "imagePullPolicy"})
"""Of the main container: args would be added to its own, the others are elsewhere or not needed."""
_ITS_PORTS: Final = frozenset({cluster.RPC_PORT, cluster.BLOB_PORT, cluster.REST_PORT, cluster.TASK_RPC_PORT})


def workloads(cluster_: Cluster) -> tuple[Manifest, ...]:
    """Return the FlinkDeployment; none while nothing runs.

    A session cluster cannot be suspended, and its TaskManagers cannot be none: to stop it is to delete it. What is to
    be kept is ours: the volume of the job's state.
    """
    if not cluster_.running:
        return ()
    pipeline = cluster_.pipeline
    memory, cpus = configuration.memory_limits(pipeline), configuration.cpus(pipeline)

    def pods(role: FlinkRole, replicas: int, template: dict[str, Any]) -> dict[str, Any]:
        return {
            "replicas": replicas,
            "resource": {"cpu": cpus[role], "memory": f"{memory[role]}m"},
            "podTemplate": _bare(role, template),
        }

    replicas = cluster.settings(pipeline).task_managers
    return (
        {
            "apiVersion": API_VERSION,
            "kind": FLINK_DEPLOYMENT,
            # Of the pipeline's own name: that of its Services and Deployments is made from it, in 45 characters.
            "metadata": names.metadata(pipeline, pipeline.metadata.name, FlinkRole.JOB_MANAGER),
            "spec": {
                "mode": "standalone",
                "flinkVersion": FLINK_VERSION,
                "image": cluster_.images.flink,
                "imagePullPolicy": cluster_.images.pull_policy,
                # The kind demands one; every namespace has this one, and the pods do not mount its token.
                "serviceAccount": "default",
                "flinkConfiguration": configuration.for_flinks_operator(pipeline),
                "logConfiguration": {configuration.LOG4J_FILE: configuration.LOG4J},
                "jobManager": pods(FlinkRole.JOB_MANAGER, 1, job_manager.template(cluster_)),
                "taskManager": pods(FlinkRole.TASK_MANAGER, replicas, task_manager.template(cluster_)),
            },
        },
    )


def _bare(role: FlinkRole, template: dict[str, Any]) -> dict[str, Any]:
    """Return a template of ours without what the Flink Kubernetes Operator adds to it."""
    main, *others = template["spec"]["containers"]
    kept = {key: value for key, value in main.items() if key not in _ITS_FIELDS}
    ports = [port for port in main["ports"] if port["containerPort"] not in _ITS_PORTS]
    containers = [kept | {"name": MAIN_CONTAINER, "ports": ports}, *others]
    if main["name"] != role:
        raise ValueError(f"the first container of a {role} is to be Flink's, not {main['name']}")
    return {**template, "spec": {**template["spec"], "containers": containers}}
