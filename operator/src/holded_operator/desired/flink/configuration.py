"""Flink's own configuration: one file for JobManager and TaskManagers."""

from collections.abc import Mapping
from typing import Final

import yaml

from holded_operator.api.v1alpha1 import HoldedPipeline, StateBackend
from holded_operator.desired import names, quantities
from holded_operator.desired.flink import cluster, storage
from holded_operator.desired.resources import resources
from holded_operator.desired.state import Component, FlinkRole, Manifest

KEPT_CHECKPOINTS: Final = 3
_MEBIBYTE: Final = 2**20
_UNLIMITED: Final = 100.0
"""Times the request: a limit of CPU that no node reaches."""
_FORBIDDEN: Final = frozenset({"high-availability.cluster-id", "kubernetes.cluster-id", "kubernetes.namespace"})
"""What the Flink Kubernetes Operator takes from nobody."""
_OF_FLINKS_OPERATOR: Final = frozenset({"jobmanager.rpc.address", "rest.address"})
"""Names of its Services, which it sets itself."""
LOG4J_FILE: Final = "log4j-console.properties"

LOG4J: Final = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %c{1.} %m%n
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
"""


def config_map(pipeline: HoldedPipeline) -> Manifest:
    """Return the ConfigMap that is mounted as the folder of Flink's configuration.

    It is mounted, not handed over as FLINK_PROPERTIES: those the image would have to write into a file of its own.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(pipeline, f"{pipeline.metadata.name}-flink", Component.WORKER),
        "data": {
            "config.yaml": yaml.safe_dump(properties(pipeline), sort_keys=True, width=1000),
            LOG4J_FILE: LOG4J,
        },
    }


def properties(pipeline: HoldedPipeline) -> dict[str, str | int | float | bool]:
    """Return Flink's settings by their full names; source: https://nightlies.apache.org/flink/flink-docs-release-1.19/."""
    spec = cluster.settings(pipeline)
    return {**spec.configuration, **fixed(pipeline)}


def for_flinks_operator(pipeline: HoldedPipeline) -> dict[str, str]:
    """Return the settings of a FlinkDeployment, as text."""
    own = _OF_FLINKS_OPERATOR | memory(pipeline).keys()
    found = {key: value for key, value in properties(pipeline).items() if key not in own}
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in sorted(found.items())}


def reserved(pipeline: HoldedPipeline) -> frozenset[str]:
    """Return the names of the settings that the spec may not have."""
    forbidden = _FORBIDDEN if cluster.by_flinks_operator(pipeline) else frozenset[str]()
    return forbidden | fixed(pipeline).keys()


def fixed(pipeline: HoldedPipeline) -> dict[str, str | int | float | bool]:
    """Return the settings that are the operator's alone."""
    spec = cluster.settings(pipeline)
    host = names.child_name(pipeline, FlinkRole.JOB_MANAGER)
    return {
        **memory(pipeline),
        **(_for_operator(pipeline) if cluster.by_flinks_operator(pipeline) else {}),
        "blob.server.port": cluster.BLOB_PORT,
        # A killed TaskManager is noticed in 20 s, not in 50.
        "heartbeat.interval": 5000,
        "heartbeat.timeout": 20_000,
        "io.tmp.dirs": "/tmp",  # noqa: S108 -- the pod's own emptyDir
        "jobmanager.bind-host": "0.0.0.0",  # noqa: S104 -- in a pod, behind a policy
        "jobmanager.rpc.address": host,
        "jobmanager.rpc.port": cluster.RPC_PORT,
        "metrics.internal.query-service.port": cluster.QUERY_PORT,
        "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
        "metrics.reporter.prom.port": cluster.METRICS_PORT,
        "rest.address": host,
        "rest.bind-address": "0.0.0.0",  # noqa: S104
        "rest.port": cluster.REST_PORT,
        # Without end, which is the default of this strategy: what ends a job is the submitter's to decide.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.max-backoff": "15 s",
        "state.backend.incremental": spec.state_backend is StateBackend.ROCKSDB,
        "state.backend.type": spec.state_backend.value,
        "state.checkpoints.dir": f"{storage.url(pipeline)}/checkpoints",
        "state.checkpoints.num-retained": KEPT_CHECKPOINTS,
        "state.savepoints.dir": f"{storage.url(pipeline)}/savepoints",
        "taskmanager.bind-host": "0.0.0.0",  # noqa: S104
        "taskmanager.data.port": cluster.TASK_DATA_PORT,
        # Python's memory is the sidecar's: what Flink would set aside is for RocksDB alone.
        "taskmanager.memory.managed.fraction": 0.4 if spec.state_backend is StateBackend.ROCKSDB else 0.0,
        "taskmanager.numberOfTaskSlots": spec.slots,
        "taskmanager.rpc.port": cluster.TASK_RPC_PORT,
        # Jobs come from the submitter, never as a file that somebody uploads.
        "web.submit.enable": False,
    }


def memory(pipeline: HoldedPipeline) -> dict[str, str]:
    """Return the memory of the whole processes: Flink divides it, so that the kernel never has to end one."""
    return {f"{role}.memory.process.size": f"{limit}m" for role, limit in memory_limits(pipeline).items()}


def memory_limits(pipeline: HoldedPipeline) -> Mapping[FlinkRole, int]:
    """Return the memory limit of Flink's own containers, in MiB."""
    limits = {role: both["limits"]["memory"] for role, both in _resources(pipeline).items()}
    return {role: int(quantities.value(limit) // _MEBIBYTE) for role, limit in limits.items()}


def cpus(pipeline: HoldedPipeline) -> Mapping[FlinkRole, float]:
    """Return the CPUs that Flink's own containers request."""
    return {role: float(quantities.value(both["requests"]["cpu"])) for role, both in _resources(pipeline).items()}


def _for_operator(pipeline: HoldedPipeline) -> dict[str, str | float | bool]:
    """Return what a FlinkDeployment needs in addition."""
    return {
        # Whatever the installation's default: it would need a token. The submitter sees to the job's recovery.
        "high-availability.type": "NONE",
        # No address of the Service's own, for the same reason as in `job_manager`.
        "kubernetes.rest-service.exposed.type": "Headless_ClusterIP",
        # The Flink Kubernetes Operator turns off what the submitter may use.
        "web.cancel.enable": True,
        **{f"kubernetes.{role}.cpu.limit-factor": _limit_factor(both) for role, both in _resources(pipeline).items()},
    }


def _limit_factor(both: Mapping[str, Mapping[str, str]]) -> float:
    """Return the CPU limit as a multiple of the request: the Flink Kubernetes Operator always sets one."""
    limit, request = both["limits"].get("cpu"), quantities.value(both["requests"]["cpu"])
    return _UNLIMITED if limit is None or not request else float(quantities.value(limit) / request)


def _resources(pipeline: HoldedPipeline) -> dict[FlinkRole, dict[str, dict[str, str]]]:
    spec = cluster.settings(pipeline)
    given = {FlinkRole.JOB_MANAGER: spec.job_manager, FlinkRole.TASK_MANAGER: spec.task_manager}
    return {role: resources(role, pods.resources) for role, pods in given.items()}
