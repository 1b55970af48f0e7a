"""What the operator's own process reads from its environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from holded_operator.desired import Images


class OperatorConfig(BaseSettings):
    """Environment of the operator; variables are HOLDED_OPERATOR_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="HOLDED_OPERATOR_", frozen=True, extra="ignore")

    image_collector: str = "holded-pipeline/collector:0.1.0"
    """Image of the collectors it deploys."""
    image_worker: str = "holded-pipeline/worker:0.1.0"
    """Image of the workers it deploys."""
    image_sink: str = "holded-pipeline/sink:0.1.0"
    """Image of the sinks it deploys."""
    image_flink: str = "flink:1.19.3-java17"
    """Image of JobManagers and TaskManagers; its minor version is the job server's."""
    image_flink_job_server: str = "apache/beam_flink1.19_job_server:2.77.0"
    """Image of Beam's job server; its version is that of Beam in the workers' image."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of these images."""
    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Namespaces to serve, separated by commas; none means all (which needs cluster-wide RBAC)."""
    resync_seconds: float = Field(default=30.0, ge=1)
    """Every pipeline is reconciled at least this often, so that drift without an event is repaired in twice that."""
    progress_seconds: float = Field(default=3.0, ge=0.1)
    """First delay of a pass after one that has not converged; it doubles up to `resync_seconds`."""
    finalize_seconds: float = Field(default=30.0, ge=0)
    """Time that deletion tries for Kafka, registry and MySQL each before it leaves behind what it cannot delete."""
    drain_seconds: float = Field(default=180.0, ge=0)
    """Time that deletion waits for pods to stop by themselves before it goes on."""
    reconcile_workers: int = Field(default=8, ge=1)
    """Pipelines reconciled at the same time (threads)."""
    migrations_dir: Path = Path("/app/sql")
    """Folder of the database migrations in the image."""
    probes_port: int = 8080
    """Port of /health, /ready and /metrics."""
    pod_name: str = "local"
    """Identity of this process in Events and in the Lease (downward API)."""
    own_namespace: str = "default"
    """Namespace of what the operator keeps for itself (downward API)."""
    own_name: str = ""
    """Name of its Lease, and of the Service, Secret and configuration of its admission webhook; empty: no election."""
    admission_port: int = Field(default=0, ge=0, le=65_535)
    """Port of the admission webhook; 0 means none."""
    admission_seconds: float = Field(default=5.0, gt=0)
    """Time for all checks of one review; less than the webhook's timeoutSeconds by what an answer takes."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @field_validator("watch_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value


def images(config: OperatorConfig) -> Images:
    """Return the images of the services as the renderer takes them."""
    return Images(
        collector=config.image_collector,
        worker=config.image_worker,
        sink=config.image_sink,
        flink=config.image_flink,
        flink_job_server=config.image_flink_job_server,
        pull_policy=config.image_pull_policy,
    )
