"""What each service reads, filled from the spec; the services parse the same models."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from holded_contracts import settings as contract
from holded_contracts.settings.render import variable
from holded_operator.api import durations
from holded_operator.api.v1alpha1 import HoldedPipeline, PodTemplate, RateLimit

KAFKA_DIR = "/etc/holded/kafka"
SCHEMA_REGISTRY_DIR = "/etc/holded/schema-registry"
MYSQL_DIR = "/etc/holded/mysql"
API_KEYS_DIR = "/etc/holded/api-keys"

CA_FILE = "ca.crt"
CERTIFICATE_FILE = "tls.crt"
KEY_FILE = "tls.key"

PRE_STOP_SECONDS = 5
"""Pause before SIGTERM in which a collector pod leaves the Service's endpoints: no request meets a closed door."""
GRACE_MARGIN_SECONDS = 15
"""Part of the termination grace period that is not the service's: the pause above, and time to exit."""

BY_REFERENCE = frozenset({variable("mysql", "username"), variable("mysql", "password")})
"""Variables that reach the pods from a Secret: never part of a ConfigMap."""


class _FromSpecOnly(BaseSettings):
    """Reads no environment: rendering must not depend on the operator's own variables."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 -- the base class's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _Collector(_FromSpecOnly, contract.CollectorSettings):
    pass


class _Worker(_FromSpecOnly, contract.WorkerSettings):
    pass


class _Sink(_FromSpecOnly, contract.SinkSettings):
    pass


def collector_settings(pipeline: HoldedPipeline, *, version: str) -> contract.CollectorSettings:
    """Return the collector's settings, without secrets and the pod's name."""
    spec, canary = pipeline.spec.collector, pipeline.spec.monitoring.canary
    return _Collector(
        pipeline=_identity(pipeline, version),
        kafka=_kafka(pipeline),
        schema_registry=_schema_registry(pipeline),
        topics=_topics(pipeline),
        shutdown_grace_seconds=_shutdown_grace(spec.pod_template),
        limits=contract.CollectorLimits.model_validate(spec.limits.model_dump()),
        authentication=spec.authentication.mode,
        rate_limit=_rate_limit(spec.authentication.rate_limit),
        cors=contract.Cors.model_validate(spec.cors.model_dump()),
        event_id_headers=spec.event_id_headers,
        canary_period_seconds=durations.seconds(canary.period) if canary.enabled else 0,
    )


def worker_settings(
    pipeline: HoldedPipeline, *, version: str, flink: contract.FlinkSettings | None = None
) -> contract.WorkerSettings:
    """Return the worker's settings, without secrets and the pod's name; `flink` is of runner Flink."""
    spec = pipeline.spec.worker
    return _Worker(
        pipeline=_identity(pipeline, version),
        kafka=_kafka(pipeline),
        schema_registry=_schema_registry(pipeline),
        topics=_topics(pipeline),
        shutdown_grace_seconds=_shutdown_grace(spec.pod_template),
        batch=contract.WorkerBatch.model_validate(spec.batch.model_dump()),
        dedup_window_seconds=durations.seconds(spec.dedup_window),
        dedup_max_ids=spec.dedup_max_ids,
        classification_rules=tuple(
            contract.ClassificationRule.model_validate(rule.model_dump()) for rule in spec.classification.rules
        ),
        quality_weights=contract.QualityWeights.model_validate(spec.quality.weights.model_dump()),
        max_string_length=spec.max_string_length,
        flink=flink,
    )


def pool_settings(pipeline: HoldedPipeline, *, flink: contract.FlinkSettings) -> contract.WorkerSettings:
    """Return what the worker pool of a TaskManager reads: the least there can be, as all else travels with the job.

    A setting more would roll the TaskManagers, and would be taken where the job names none.
    """
    return _Worker(
        pipeline=contract.PipelineSettings(name=pipeline.metadata.name, namespace=pipeline.metadata.namespace),
        kafka=contract.KafkaSettings(bootstrap_servers=pipeline.spec.kafka.bootstrap_servers),
        schema_registry=contract.SchemaRegistrySettings(url=pipeline.spec.schema_registry.url),
        flink=contract.FlinkSettings(jobmanager_url=flink.jobmanager_url, state_url=flink.state_url),
    )


def sink_settings(pipeline: HoldedPipeline, *, version: str) -> contract.SinkSettings:
    """Return the sink's settings, without the pod's name; user and password are blank, they come from the Secret."""
    spec = pipeline.spec.sink
    return _Sink(
        pipeline=_identity(pipeline, version),
        kafka=_kafka(pipeline),
        schema_registry=_schema_registry(pipeline),
        topics=_topics(pipeline),
        shutdown_grace_seconds=_shutdown_grace(spec.pod_template),
        mysql=_mysql(pipeline),
        batch=contract.SinkBatch.model_validate(spec.batch.model_dump()),
        retention_days=spec.retention_days,
    )


def _identity(pipeline: HoldedPipeline, version: str) -> contract.PipelineSettings:
    return contract.PipelineSettings(
        name=pipeline.metadata.name, namespace=pipeline.metadata.namespace, version=version
    )


def _kafka(pipeline: HoldedPipeline) -> contract.KafkaSettings:
    kafka = pipeline.spec.kafka
    security = kafka.security
    certificate = security.client_certificate_secret_ref is not None
    return contract.KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=security.protocol,
        sasl_mechanism=security.sasl_mechanism,
        ssl_ca_location=f"{KAFKA_DIR}/{CA_FILE}" if security.ca_secret_ref else None,
        ssl_certificate_location=f"{KAFKA_DIR}/{CERTIFICATE_FILE}" if certificate else None,
        ssl_key_location=f"{KAFKA_DIR}/{KEY_FILE}" if certificate else None,
    )


def _schema_registry(pipeline: HoldedPipeline) -> contract.SchemaRegistrySettings:
    registry = pipeline.spec.schema_registry
    return contract.SchemaRegistrySettings(
        url=registry.url, ca_location=f"{SCHEMA_REGISTRY_DIR}/{CA_FILE}" if registry.ca_secret_ref else None
    )


def _mysql(pipeline: HoldedPipeline) -> contract.MySQLSettings:
    mysql = pipeline.spec.mysql
    return contract.MySQLSettings(
        host=mysql.host,
        port=mysql.port,
        database=mysql.database,
        username="",
        password=SecretStr(""),
        tls=mysql.tls.mode.value,
        ca_location=f"{MYSQL_DIR}/{CA_FILE}" if mysql.tls.ca_secret_ref else None,
    )


def _topics(pipeline: HoldedPipeline) -> contract.TopicNames:
    topics = pipeline.spec.topics
    return contract.TopicNames(
        raw=topics.raw.name,
        silver=topics.silver.name,
        dead_letter=topics.dead_letter.name,
        analytics=topics.analytics.name,
        ledger=topics.ledger.name,
    )


def _rate_limit(limit: RateLimit | None) -> contract.RateLimit | None:
    if limit is None:
        return None
    return contract.RateLimit(events_per_second=limit.events_per_second, burst=limit.burst or limit.events_per_second)


def _shutdown_grace(template: PodTemplate) -> float:
    return float(template.spec.termination_grace_period_seconds - GRACE_MARGIN_SECONDS)
