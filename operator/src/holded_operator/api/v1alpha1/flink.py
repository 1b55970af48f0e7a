"""Runner Flink: the size of the cluster, and where it keeps the job's state."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from holded_operator.api.v1alpha1.common import ApiModel, ObjectName, Quantity, Resources, SecretRef, cel, rules


class StateBackend(StrEnum):
    """Where a TaskManager holds state between checkpoints; Flink's own words."""

    HASHMAP = "hashmap"
    ROCKSDB = "rocksdb"


class FlinkMode(StrEnum):
    """Who makes Flink's pods."""

    STANDALONE = "Standalone"
    OPERATOR = "Operator"


class AccessMode(StrEnum):
    """From how many nodes a volume can be used."""

    ONE_NODE = "ReadWriteOnce"
    MANY_NODES = "ReadWriteMany"


_ObjectStore = Annotated[
    str, Field(max_length=1024, pattern=r"^(s3|s3a|s3p|gs|abfss?|wasbs?|oss|hdfs)://[^\s/]+(/\S*)?$")
]


class FlinkState(ApiModel):
    """Where checkpoints and savepoints are kept: on a volume of the pipeline's, or in an object store."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.url) || !has(self.storageClassName)",
                "storageClassName is of a volume, and there is none with url",
                field_path=".storageClassName",
            ),
            cel(
                "!has(self.credentialsSecretRef) || has(self.url)",
                "credentialsSecretRef is for the object store: set url, too",
                field_path=".credentialsSecretRef",
            ),
            cel(
                "self.accessMode == oldSelf.accessMode || has(self.url) || has(oldSelf.url)",
                "a volume's access mode is immutable: take runner Embedded first, which removes the volume",
                field_path=".accessMode",
            ),
            cel(
                "has(self.url) || has(oldSelf.url) || (has(self.storageClassName) == has(oldSelf.storageClassName)"
                " && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName))",
                "a volume's storage class is immutable: take runner Embedded first, which removes the volume",
                field_path=".storageClassName",
            ),
        )
    )

    size: Quantity = "10Gi"
    """Size of the volume; it can grow where the storage class lets it, and never shrink."""
    storage_class_name: ObjectName | None = None
    """StorageClass of the volume; the cluster's default when absent."""
    access_mode: AccessMode = AccessMode.ONE_NODE
    """ReadWriteOnce keeps all of Flink's pods on one node, since all of them use the volume; ReadWriteMany does not."""
    url: _ObjectStore | None = None
    """Folder in an object store instead of a volume, e.g. s3://bucket/orders, for it alone; Flink's image needs
    the plugin of its file system."""
    credentials_secret_ref: SecretRef | None = None
    """Secret whose keys become environment variables of Flink's containers, e.g. AWS_ACCESS_KEY_ID."""


class FlinkPods(ApiModel):
    """One role's containers."""

    resources: Resources = Resources()
    """CPU and memory of Flink's own container; Flink's memory settings follow from the limit."""


class Flink(ApiModel):
    """The Flink cluster that runs the worker."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.parallelism) || self.parallelism <= self.taskManagers * self.slots",
                "parallelism needs as many slots: taskManagers times slots",
                field_path=".parallelism",
            ),
        )
    )

    mode: FlinkMode = FlinkMode.STANDALONE
    """Who makes JobManager and TaskManagers: this operator (Standalone), or the Flink Kubernetes Operator (Operator),
    which has to be installed and to watch this namespace."""
    parallelism: int | None = Field(default=None, ge=1, le=1024)
    """Subtasks of the job; all slots there are when absent. More than raw has partitions would be idle."""
    task_managers: int = Field(default=1, ge=1, le=1000)
    """TaskManager pods."""
    slots: int = Field(default=1, ge=1, le=64)
    """Slots of a TaskManager; they share one Python process, so that pods scale better than slots."""
    checkpoint_interval_seconds: int = Field(default=10, ge=1, le=3600)
    """Seconds between checkpoints: what is processed again after a failure, unseen from outside."""
    state_backend: StateBackend = StateBackend.HASHMAP
    """hashmap holds state in the JVM's memory, rocksdb on the TaskManager's disk for windows larger than that."""
    state: FlinkState = FlinkState()
    """Where checkpoints and savepoints are kept."""
    job_manager: FlinkPods = FlinkPods()
    """The JobManager; default 50m and 640Mi requested, 1Gi at most."""
    task_manager: FlinkPods = FlinkPods()
    """Each TaskManager; default 100m and 1Gi requested, 1536Mi at most. Its Python process has worker.resources."""
    configuration: dict[str, Annotated[str, Field(max_length=4096)]] = Field(default={}, max_length=64)
    """Further settings of Flink, e.g. s3.endpoint; those that the pipeline depends on are the operator's."""
