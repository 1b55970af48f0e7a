"""Flink's own configuration: one file for JobManager and TaskManagers."""

from collections.abc import Mapping
from typing import Final

import yaml

from holded_operator.api.v1alpha1 import HoldedPipeline, Resources, StateBackend
from holded_operator.desired import names, quantities
from holded_operator.desired.flink import cluster, storage
from holded_operator.desired.resources import resources
from holded_operator.desired.state import Component, FlinkRole, Manifest

KEPT_CHECKPOINTS: Final = 3
_MEBIBYTE: Final = 2**20

_LOG4J = """\
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
            "log4j-console.properties": _LOG4J,
        },
    }


def properties(pipeline: HoldedPipeline) -> dict[str, str | int | float | bool]:
    """Return Flink's settings by their full names; source: https://nightlies.apache.org/flink/flink-docs-release-1.19/."""
    spec = cluster.settings(pipeline)
    return {**spec.configuration, **fixed(pipeline)}


def fixed(pipeline: HoldedPipeline) -> dict[str, str | int | float | bool]:
    """Return the settings that are the operator's alone."""
    spec = cluster.settings(pipeline)
    host = names.child_name(pipeline, FlinkRole.JOB_MANAGER)
    return {
        "blob.server.port": cluster.BLOB_PORT,
        # A killed TaskManager is noticed in 20 s, not in 50.
        "heartbeat.interval": 5000,
        "heartbeat.timeout": 20_000,
        "io.tmp.dirs": "/tmp",  # noqa: S108 -- the pod's own emptyDir
        "jobmanager.bind-host": "0.0.0.0",  # noqa: S104 -- in a pod, behind a policy
        "jobmanager.memory.process.size": _process_size(FlinkRole.JOB_MANAGER, spec.job_manager.resources),
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
        "taskmanager.memory.process.size": _process_size(FlinkRole.TASK_MANAGER, spec.task_manager.resources),
        "taskmanager.numberOfTaskSlots": spec.slots,
        "taskmanager.rpc.port": cluster.TASK_RPC_PORT,
        # Jobs come from the submitter, never as a file that somebody uploads.
        "web.submit.enable": False,
    }


def memory_limits(pipeline: HoldedPipeline) -> Mapping[FlinkRole, int]:
    """Return the memory limit of Flink's own containers, in MiB."""
    spec = cluster.settings(pipeline)
    given = {FlinkRole.JOB_MANAGER: spec.job_manager, FlinkRole.TASK_MANAGER: spec.task_manager}
    return {role: _mebibytes(role, pods.resources) for role, pods in given.items()}


def _process_size(role: FlinkRole, given: Resources) -> str:
    """Return the memory of the whole process: Flink divides it, so that the kernel never has to end it."""
    return f"{_mebibytes(role, given)}m"


def _mebibytes(role: FlinkRole, given: Resources) -> int:
    return int(quantities.value(resources(role, given)["limits"]["memory"]) // _MEBIBYTE)
