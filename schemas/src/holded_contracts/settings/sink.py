"""Settings of the gold sink."""

from pydantic import BaseModel, ConfigDict, Field

from holded_contracts.settings.common import MySQLSettings, ServiceSettings


class SinkBatch(BaseModel):
    """A batch is closed by whichever comes first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rows: int = Field(default=5000, ge=1, le=50_000)
    max_wait_ms: int = Field(default=200, ge=1, le=60_000)


class SinkSettings(ServiceSettings):
    """Environment of the sink."""

    mysql: MySQLSettings
    probes_port: int = 8080
    batch: SinkBatch = SinkBatch()
    retention_days: int = Field(default=0, ge=0)
    """Day partitions of events older than this are dropped; 0 keeps everything."""
