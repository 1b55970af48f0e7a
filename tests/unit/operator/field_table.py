"""O2: for each field of the spec, one place in the desired state that it decides.

A row changes the field of the sample `full` (with `given` laid over it first) to `value`, and `place` must then hold `want`,
which it did not before. A place is a path into `document(...)`; a step {"name": x} picks from a list.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.operator.samples import merged

Step = str | int | dict[str, str]


@dataclass(frozen=True)
class Row:
    """What a field decides."""

    value: Any
    place: tuple[Step, ...]
    want: Any
    given: dict[str, Any] = field(default_factory=dict)


class Holds(str):
    """A text that equals every text it is part of: one line of a file."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


WORKLOADS = {"collector": "Deployment", "worker": "StatefulSet", "sink": "StatefulSet"}


def child(kind: str, component: str, *steps: Step) -> tuple[Step, ...]:
    return ("objects", f"{kind}/full-{component}", *steps)


def env(component: str, name: str) -> tuple[Step, ...]:
    return child("ConfigMap", component, "data", f"HOLDED_{name}")


def pod(component: str, *steps: Step) -> tuple[Step, ...]:
    return child(WORKLOADS[component], component, "spec", "template", *steps)


def container(component: str, *steps: Step) -> tuple[Step, ...]:
    return pod(component, "spec", "containers", 0, *steps)


def secret_env(component: str, name: str) -> tuple[Step, ...]:
    return container(component, "env", {"name": f"HOLDED_{name}"}, "valueFrom", "secretKeyRef", "name")


def secret_file(component: str, volume: str, source: int, *steps: Step) -> tuple[Step, ...]:
    return pod(component, "spec", "volumes", {"name": volume}, "projected", "sources", source, "secret", *steps)


def topic(artefact: str, *steps: Step) -> tuple[Step, ...]:
    return ("topics", artefact, *steps)


def _topics() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name, artefact, variable in (
        ("raw", "raw", "TOPICS__RAW"),
        ("silver", "silver", "TOPICS__SILVER"),
        ("deadLetter", "dead_letter", "TOPICS__DEAD_LETTER"),
        ("analytics", "analytics", "TOPICS__ANALYTICS"),
        ("ledger", "ledger", "TOPICS__LEDGER"),
    ):
        rows |= {
            f"topics.{name}.name": Row("other", env("worker", variable), "other"),
            f"topics.{name}.partitions": Row(48, topic(artefact, "partitions"), 48),
            f"topics.{name}.replicationFactor": Row(4, topic(artefact, "replication_factor"), 4),
            f"topics.{name}.retention": Row("2d", topic(artefact, "config", "retention.ms"), "172800000"),
            f"topics.{name}.config": Row({"a.b": "c"}, topic(artefact, "config", "a.b"), "c"),
            f"topics.{name}.managed": Row(name == "ledger", topic(artefact, "managed"), name == "ledger"),
        }
    return rows


def _pods(component: str) -> dict[str, Row]:
    base = f"{component}.podTemplate"
    tolerations = {component: {"podTemplate": {"spec": {"tolerations": [{"key": "a", "operator": "Equal"}]}}}}
    first = pod(component, "spec", "tolerations", 0)
    return {
        f"{component}.resources.requests": Row(
            {"cpu": "1500m"}, container(component, "resources", "requests", "cpu"), "1500m"
        ),
        f"{component}.resources.limits": Row(
            {"memory": "4096Mi"}, container(component, "resources", "limits", "memory"), "4Gi"
        ),
        f"{base}.metadata.labels": Row({"a": "b"}, pod(component, "metadata", "labels", "a"), "b"),
        f"{base}.metadata.annotations": Row({"a": "b"}, pod(component, "metadata", "annotations", "a"), "b"),
        f"{base}.spec.nodeSelector": Row({"a": "b"}, pod(component, "spec", "nodeSelector", "a"), "b"),
        f"{base}.spec.tolerations[].key": Row("x", (*first, "key"), "x", tolerations),
        f"{base}.spec.tolerations[].operator": Row("Exists", (*first, "operator"), "Exists", tolerations),
        f"{base}.spec.tolerations[].value": Row("x", (*first, "value"), "x", tolerations),
        f"{base}.spec.tolerations[].effect": Row("NoSchedule", (*first, "effect"), "NoSchedule", tolerations),
        f"{base}.spec.tolerations[].tolerationSeconds": Row(7, (*first, "tolerationSeconds"), 7, tolerations),
        f"{base}.spec.affinity": Row({"nodeAffinity": {}}, pod(component, "spec", "affinity"), {"nodeAffinity": {}}),
        f"{base}.spec.priorityClassName": Row("low", pod(component, "spec", "priorityClassName"), "low"),
        f"{base}.spec.imagePullSecrets[].name": Row("x", pod(component, "spec", "imagePullSecrets", 0, "name"), "x"),
        f"{base}.spec.topologySpreadConstraints": Row(
            [{"maxSkew": 3}], pod(component, "spec", "topologySpreadConstraints"), [{"maxSkew": 3}]
        ),
        f"{base}.spec.terminationGracePeriodSeconds": Row(
            75, pod(component, "spec", "terminationGracePeriodSeconds"), 75
        ),
    }


def _connections() -> dict[str, Row]:
    return {
        "kafka.bootstrapServers": Row("b:1", env("worker", "KAFKA__BOOTSTRAP_SERVERS"), "b:1"),
        "kafka.security.protocol": Row("SSL", env("sink", "KAFKA__SECURITY_PROTOCOL"), "SSL"),
        "kafka.security.saslMechanism": Row("SCRAM-SHA-256", env("sink", "KAFKA__SASL_MECHANISM"), "SCRAM-SHA-256"),
        "kafka.security.credentialsSecretRef.name": Row("x", secret_env("collector", "KAFKA__SASL_PASSWORD"), "x"),
        "kafka.security.caSecretRef.name": Row("x", secret_file("worker", "kafka", 0, "name"), "x"),
        "kafka.security.caSecretRef.key": Row("x", secret_file("worker", "kafka", 0, "items", 0, "key"), "x"),
        "kafka.security.clientCertificateSecretRef.name": Row("x", secret_file("sink", "kafka", 1, "name"), "x"),
        "schemaRegistry.url": Row("http://other", env("collector", "SCHEMA_REGISTRY__URL"), "http://other"),
        "schemaRegistry.credentialsSecretRef.name": Row("x", secret_env("worker", "SCHEMA_REGISTRY__USERNAME"), "x"),
        "schemaRegistry.caSecretRef.name": Row("x", secret_file("sink", "schema-registry", 0, "name"), "x"),
        "schemaRegistry.caSecretRef.key": Row("x", secret_file("sink", "schema-registry", 0, "items", 0, "key"), "x"),
        "mysql.host": Row("other", env("sink", "MYSQL__HOST"), "other"),
        "mysql.port": Row(1, env("sink", "MYSQL__PORT"), "1"),
        "mysql.database": Row("other", env("sink", "MYSQL__DATABASE"), "other"),
        "mysql.credentialsSecretRef.name": Row("x", secret_env("sink", "MYSQL__PASSWORD"), "x"),
        "mysql.tls.mode": Row("VerifyCA", env("sink", "MYSQL__TLS"), "VerifyCA"),
        "mysql.tls.caSecretRef.name": Row("x", secret_file("sink", "mysql", 0, "name"), "x"),
        "mysql.tls.caSecretRef.key": Row("x", secret_file("sink", "mysql", 0, "items", 0, "key"), "x"),
    }


def _collector() -> dict[str, Row]:
    autoscaler = child("HorizontalPodAutoscaler", "collector", "spec")
    fixed = {"collector": {"autoscaling": None}}
    limits = {
        "maxBodyBytes": (2_000_000, "MAX_BODY_BYTES"),
        "maxEventsPerRequest": (77, "MAX_EVENTS_PER_REQUEST"),
        "maxEventBytes": (777, "MAX_EVENT_BYTES"),
        "maxDepth": (7, "MAX_DEPTH"),
        "maxStringLength": (777, "MAX_STRING_LENGTH"),
        "maxRequestsInFlight": (7, "MAX_REQUESTS_IN_FLIGHT"),
        "maxBytesInFlight": (2_000_000, "MAX_BYTES_IN_FLIGHT"),
        "maxConnections": (77, "MAX_CONNECTIONS"),
        "headTimeoutSeconds": (7.25, "HEAD_TIMEOUT_SECONDS"),
        "bodyTimeoutSeconds": (7.25, "BODY_TIMEOUT_SECONDS"),
        "deliveryTimeoutSeconds": (7.25, "DELIVERY_TIMEOUT_SECONDS"),
    }
    return {
        "collector.replicas": Row(5, child("Deployment", "collector", "spec", "replicas"), 5, fixed),
        "collector.autoscaling.minReplicas": Row(3, (*autoscaler, "minReplicas"), 3),
        "collector.autoscaling.maxReplicas": Row(5, (*autoscaler, "maxReplicas"), 5),
        "collector.autoscaling.targetCPUUtilizationPercentage": Row(
            55, (*autoscaler, "metrics", 0, "resource", "target", "averageUtilization"), 55
        ),
        "collector.authentication.mode": Row("Open", env("collector", "AUTHENTICATION"), None),
        "collector.authentication.secretRef.name": Row(
            "x", pod("collector", "spec", "volumes", {"name": "api-keys"}, "secret", "secretName"), "x"
        ),
        "collector.authentication.rateLimit.eventsPerSecond": Row(
            7, env("collector", "RATE_LIMIT__EVENTS_PER_SECOND"), "7"
        ),
        "collector.authentication.rateLimit.burst": Row(7, env("collector", "RATE_LIMIT__BURST"), "7"),
        "collector.cors.allowedOrigins": Row(
            ["http://a:1"], env("collector", "CORS__ALLOWED_ORIGINS"), '["http://a:1"]'
        ),
        "collector.cors.maxAgeSeconds": Row(7, env("collector", "CORS__MAX_AGE_SECONDS"), "7"),
        **{
            f"collector.limits.{name}": Row(value, env("collector", f"LIMITS__{variable}"), str(value))
            for name, (value, variable) in limits.items()
        },
        "collector.eventIdHeaders": Row(["a", "b"], env("collector", "EVENT_ID_HEADERS"), '["a", "b"]'),
        "collector.service.type": Row("LoadBalancer", child("Service", "collector", "spec", "type"), "LoadBalancer"),
        "collector.service.nodePort": Row(
            30_001, child("Service", "collector", "spec", "ports", 0, "nodePort"), 30_001
        ),
        "collector.service.annotations": Row(
            {"a": "b"}, child("Service", "collector", "metadata", "annotations", "a"), "b"
        ),
    }


def _worker() -> dict[str, Row]:
    rule = {"context": "payroll", "domains": ["a"], "entities": ["b"], "actions": ["c"]}
    given = {"worker": {"classification": {"rules": [rule]}}}

    def rules(**change: Any) -> str:
        return json.dumps([rule | change], sort_keys=True)

    weights = ("completeness", "validity", "consistency", "timeliness")
    return {
        "worker.runner": Row(
            "Flink",
            container("worker", "command"),
            ["holded-worker-flink"],
            {"worker": {"autoscaling": None}},
        ),
        "worker.replicas": Row(
            5, child("StatefulSet", "worker", "spec", "replicas"), 5, {"worker": {"autoscaling": None}}
        ),
        "worker.autoscaling.minReplicas": Row(3, child("StatefulSet", "worker", "spec", "replicas"), 3),
        "worker.autoscaling.maxReplicas": Row(3, ("replicas at a lag of 20000",), 3),
        "worker.autoscaling.targetLag": Row(10_000, ("replicas at a lag of 20000",), 2),
        "worker.dedupWindow": Row("90m", env("worker", "DEDUP_WINDOW_SECONDS"), "5400"),
        "worker.dedupMaxIds": Row(5000, env("worker", "DEDUP_MAX_IDS"), "5000"),
        "worker.batch.maxEvents": Row(77, env("worker", "BATCH__MAX_EVENTS"), "77"),
        "worker.batch.maxWaitMs": Row(77, env("worker", "BATCH__MAX_WAIT_MS"), "77"),
        "worker.classification.rules[].context": Row(
            "x", env("worker", "CLASSIFICATION_RULES"), rules(context="x"), given
        ),
        "worker.classification.rules[].domains": Row(
            ["x"], env("worker", "CLASSIFICATION_RULES"), rules(domains=["x"]), given
        ),
        "worker.classification.rules[].entities": Row(
            ["x"], env("worker", "CLASSIFICATION_RULES"), rules(entities=["x"]), given
        ),
        "worker.classification.rules[].actions": Row(
            ["x"], env("worker", "CLASSIFICATION_RULES"), rules(actions=["x"]), given
        ),
        **{
            f"worker.quality.weights.{name}": Row(0.75, env("worker", f"QUALITY_WEIGHTS__{name.upper()}"), "0.75")
            for name in weights
        },
        "worker.maxStringLength": Row(777, env("worker", "MAX_STRING_LENGTH"), "777"),
    }


def _flink() -> dict[str, Row]:
    """Return the rows of runner Flink; the given specs are of it."""
    given: dict[str, Any] = {"worker": {"runner": "Flink", "autoscaling": None}}
    bucket: dict[str, Any] = merged(given, {"worker": {"flink": {"state": {"url": "s3://bucket/a"}}}})
    claim = ("objects", "PersistentVolumeClaim/full-flink-state", "spec")
    configuration = ("objects", "ConfigMap/full-flink", "data", "config.yaml")
    job_manager = child("StatefulSet", "jobmanager", "spec", "template", "spec", "containers", 0)
    task_managers = child("StatefulSet", "taskmanager", "spec")
    task_manager = (*task_managers, "template", "spec", "containers", 0)
    size = {"worker": {"flink": {"taskManagers": 4, "slots": 2}}}
    rows = {
        "mode": Row("Operator", ("objects", "FlinkDeployment/full", "spec", "mode"), "standalone", given),
        "parallelism": Row(3, env("worker", "FLINK__PARALLELISM"), "3", merged(given, size)),
        "taskManagers": Row(5, (*task_managers, "replicas"), 5, given),
        "slots": Row(4, env("worker", "FLINK__PARALLELISM"), "4", given),
        "checkpointIntervalSeconds": Row(7, env("worker", "FLINK__CHECKPOINT_INTERVAL_MS"), "7000", given),
        "stateBackend": Row("rocksdb", configuration, Holds("state.backend.type: rocksdb\n"), given),
        "state.size": Row("3072Mi", (*claim, "resources", "requests", "storage"), "3Gi", given),
        "state.storageClassName": Row("fast", (*claim, "storageClassName"), "fast", given),
        "state.accessMode": Row("ReadWriteMany", (*claim, "accessModes"), ["ReadWriteMany"], given),
        "state.url": Row("gs://bucket/b", env("worker", "FLINK__STATE_URL"), "gs://bucket/b", given),
        "state.credentialsSecretRef.name": Row("x", (*task_manager, "envFrom", 0, "secretRef", "name"), "x", bucket),
        "jobManager.resources.requests": Row(
            {"cpu": "1500m"}, (*job_manager, "resources", "requests", "cpu"), "1500m", given
        ),
        "jobManager.resources.limits": Row(
            {"memory": "2048Mi"}, configuration, Holds("jobmanager.memory.process.size: 2048m\n"), given
        ),
        "taskManager.resources.requests": Row(
            {"cpu": "1500m"}, (*task_manager, "resources", "requests", "cpu"), "1500m", given
        ),
        "taskManager.resources.limits": Row(
            {"memory": "2048Mi"}, configuration, Holds("taskmanager.memory.process.size: 2048m\n"), given
        ),
        "configuration": Row(
            {"s3.endpoint": "http://minio"}, configuration, Holds("s3.endpoint: http://minio\n"), given
        ),
    }
    return {f"worker.flink.{field}": row for field, row in rows.items()}


TABLE: dict[str, Row] = {
    "suspend": Row(True, child("StatefulSet", "worker", "spec", "replicas"), 0),
    **_connections(),
    **_topics(),
    "schemas.compatibility": Row("FORWARD", ("subjects", "silver", "compatibility"), "FORWARD"),
    **_collector(),
    **_worker(),
    **_flink(),
    "sink.replicas": Row(5, child("StatefulSet", "sink", "spec", "replicas"), 5),
    "sink.batch.maxRows": Row(77, env("sink", "BATCH__MAX_ROWS"), "77"),
    "sink.batch.maxWaitMs": Row(77, env("sink", "BATCH__MAX_WAIT_MS"), "77"),
    "sink.retentionDays": Row(77, env("sink", "RETENTION_DAYS"), "77"),
    **_pods("collector"),
    **_pods("worker"),
    **_pods("sink"),
    "deletionPolicy.topics": Row("Retain", ("deletion", "topics"), []),
    "deletionPolicy.schemas": Row("Retain", ("deletion", "subjects"), []),
    "deletionPolicy.database": Row("Retain", ("deletion", "database"), None),
    "monitoring.podMonitor": Row(False, ("objects", "PodMonitor/full"), None),
    "monitoring.canary.enabled": Row(False, env("collector", "CANARY_PERIOD_SECONDS"), None),
    "monitoring.canary.period": Row("2m", env("collector", "CANARY_PERIOD_SECONDS"), "120"),
    "monitoring.otlpEndpoint": Row(
        "http://otel:4318", child("ConfigMap", "collector", "data", "OTEL_EXPORTER_OTLP_ENDPOINT"), "http://otel:4318"
    ),
}
