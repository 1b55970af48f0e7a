"""Settings of the Beam worker."""

from pydantic import BaseModel, ConfigDict, Field

from holded_contracts.settings.common import ServiceSettings


class ClassificationRule(BaseModel):
    """One rule; it matches when each given list holds the event's value (compared without case). First match wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """Business context given to matching events."""
    domains: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class QualityWeights(BaseModel):
    """Share of each dimension in the quality score; they are normalised to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    completeness: float = Field(default=0.4, ge=0)
    validity: float = Field(default=0.3, ge=0)
    consistency: float = Field(default=0.2, ge=0)
    timeliness: float = Field(default=0.1, ge=0)


class WorkerBatch(BaseModel):
    """A batch is closed by whichever comes first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_events: int = Field(default=5000, ge=1, le=100_000)
    max_wait_ms: int = Field(default=50, ge=1, le=60_000)


class FlinkSettings(BaseModel):
    """The Flink cluster on which the worker's pipeline runs, and how it runs there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobmanager_url: str = Field(pattern=r"^https?://")
    """REST endpoint of the JobManager."""
    job_server: str = "localhost:8099"
    """Beam's job server, host:port: turns the pipeline into a Flink job."""
    worker_pool: str = "localhost:50000"
    """Beam's worker pool as the TaskManagers reach it, host:port: runs the Python steps."""
    parallelism: int = Field(default=1, ge=1, le=1024)
    """Subtasks of each stage; a raw partition is worked on by one of them."""
    checkpoint_interval_ms: int = Field(default=10_000, ge=100)
    state_url: str = Field(pattern=r"^[a-z][a-z0-9+.-]*://")
    """Folder for checkpoints and savepoints that JobManager and TaskManagers share, e.g. file:///flink-state."""
    max_bundle_ms: int = Field(default=50, ge=1, le=60_000)
    """Longest time that records wait in a bundle before it is written."""


class WorkerSettings(ServiceSettings):
    """Environment of the worker."""

    probes_port: int = 8080
    batch: WorkerBatch = WorkerBatch()
    dedup_window_seconds: int = Field(default=86_400, ge=0)
    """Duplicates within this time are dropped here; older ones are gold's to refuse. 0 turns the index off."""
    dedup_max_ids: int = Field(default=10_000_000, ge=1000)
    """Most event ids in the indexes of one worker; beyond it the oldest leave before their time."""
    classification_rules: tuple[ClassificationRule, ...] = ()
    """Tried before the built-in rules."""
    quality_weights: QualityWeights = QualityWeights()
    max_string_length: int = Field(default=65_535, ge=64)
    """Longer strings in data are cut, and metadata.sanitized says so."""
    flink: FlinkSettings | None = None
    """Only with runner Flink."""
