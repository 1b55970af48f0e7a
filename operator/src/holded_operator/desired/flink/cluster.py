"""What the modules of this folder share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holded_operator import constants
from holded_operator.api.v1alpha1 import Flink, FlinkMode, HoldedPipeline, PodTemplate
from holded_operator.desired import names
from holded_operator.desired.flink import storage
from holded_operator.desired.pods import CONTAINER_SECURITY, TMP_MOUNT, Workload, checksums, pod
from holded_operator.desired.secret_use import SecretUse, secret_use
from holded_operator.desired.state import Component, FlinkRole, Images, Manifest, Part

RPC_PORT: Final = 6123
BLOB_PORT: Final = 6124
REST_PORT: Final = 8081
"""Of the JobManager, as everywhere in Flink's documentation."""
TASK_RPC_PORT: Final = 6122
TASK_DATA_PORT: Final = 6121
QUERY_PORT: Final = 6125
"""Of the TaskManagers; by themselves they would take others each time, which no policy could name."""
METRICS_PORT: Final = 9249
POOL_PORT: Final = 50000
"""Of Beam's worker pool, inside the TaskManager's pod only."""
METRICS_PORT_NAME: Final = "flink-metrics"

CONF_DIR: Final = "/opt/flink/conf"
CONFIG_VOLUME: Final = "flink-config"
TMP_SIZE: Final = "4Gi"
"""For the job's libraries: every submission brings 300 MB, and leaves some when it fails."""
WORKER_STARTUP_SECONDS: Final = 300
_READ_ONLY: Final = 0o444


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the pods are made from."""

    pipeline: HoldedPipeline
    images: Images
    worker_config: Manifest
    """Of the submitter."""
    pool_config: Manifest
    """Of the containers that run the Python steps."""
    flink_config: Manifest | None
    """None where the Flink Kubernetes Operator makes it."""
    secret_checksums: Mapping[str, str]
    running: bool

    @property
    def template(self) -> PodTemplate:
        """Additions to all pods."""
        return self.pipeline.spec.worker.pod_template

    @property
    def worker_secrets(self) -> SecretUse:
        """Secrets of the containers that run our Python code."""
        return secret_use(self.pipeline, Component.WORKER)

    def worker(self) -> Workload:
        """Return the worker as a component, for the containers that run its image."""
        return Workload(
            component=Component.WORKER,
            image=self.images.worker,
            pull_policy=self.images.pull_policy,
            port=constants.PROBES_PORT,
            startup_seconds=WORKER_STARTUP_SECONDS,
            resources=self.pipeline.spec.worker.resources,
            template=self.template,
        )

    def flink_container(self, role: FlinkRole) -> dict[str, Any]:
        """Return what the containers of JobManager and TaskManagers have in common."""
        spec = settings(self.pipeline)
        reference = spec.state.credentials_secret_ref
        return {
            "name": role.value,
            "image": self.images.flink,
            "imagePullPolicy": self.images.pull_policy,
            "args": [role.value],
            **({} if reference is None else {"envFrom": [{"secretRef": {"name": reference.name}}]}),
            "volumeMounts": [
                TMP_MOUNT,
                *([{"name": CONFIG_VOLUME, "mountPath": CONF_DIR, "readOnly": True}] if self.flink_config else []),
                *storage.mounts(self.pipeline),
            ],
            "securityContext": CONTAINER_SECURITY,
        }

    def pod(
        self,
        part: Part,
        containers: Sequence[dict[str, Any]],
        *,
        image: str,
        tmp: dict[str, Any],
        python: Manifest | None = None,
    ) -> dict[str, Any]:
        """Return the template of a pod; `python` is the ConfigMap of its container of the worker's image, if any."""
        configs: list[Manifest] = []
        used: list[str] = []
        volumes = [tmp]
        if isinstance(part, FlinkRole):
            used += storage.secret_names(self.pipeline)
            if self.flink_config is not None:
                name = self.flink_config["metadata"]["name"]
                configs.append(self.flink_config)
                volumes.append({"name": CONFIG_VOLUME, "configMap": {"name": name, "defaultMode": _READ_ONLY}})
        if python is not None:
            configs.append(python)
            used += self.worker_secrets.names
            volumes += self.worker_secrets.volumes
        return pod(
            self.pipeline,
            part,
            storage.placed(self.pipeline, self.template),
            version=names.image_version(image),
            annotations=checksums(configs, used, self.secret_checksums),
            containers=containers,
            volumes=[*volumes, *storage.volumes(self.pipeline)],
        )


def settings(pipeline: HoldedPipeline) -> Flink:
    """Return the part of the spec that this folder renders, or its defaults."""
    return pipeline.spec.worker.flink or Flink()


def by_flinks_operator(pipeline: HoldedPipeline) -> bool:
    """Tell whether Flink's pods are the Flink Kubernetes Operator's to make."""
    return settings(pipeline).mode is FlinkMode.OPERATOR
