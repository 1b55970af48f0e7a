"""Settings of the collector."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from holded_contracts.identity import DEFAULT_ID_HEADERS
from holded_contracts.settings.common import ServiceSettings


class ApiKeyMode(StrEnum):
    """Who may send events."""

    OPEN = "Open"
    API_KEY = "ApiKey"


class RateLimit(BaseModel):
    """How many events one API key may send to one process; beyond it the answer is 429 with Retry-After."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events_per_second: int = Field(ge=1)
    """Events a second in the long run."""
    burst: int = Field(ge=1)
    """Events at once after a pause."""


class Cors(BaseModel):
    """Which web pages may post from a browser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_origins: tuple[str, ...] = ()
    """Origins (scheme, host and port), or "*" alone for all; empty turns CORS off."""
    max_age_seconds: int = Field(default=600, ge=0)
    """Time for which a browser may keep the answer to its preflight request."""


class CollectorLimits(BaseModel):
    """What one request may ask for; beyond it the answer is 413, 422 or 503, never a crash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body_bytes: int = Field(default=5_242_880, ge=1024)
    """Body size before and after gzip (413)."""
    max_events_per_request: int = Field(default=5000, ge=1)
    """Length of the JSON array (413)."""
    max_event_bytes: int = Field(default=900_000, ge=256)
    """Size of one event's JSON (rejected in its result); stays below Kafka's default message.max.bytes."""
    max_depth: int = Field(default=64, ge=4, le=100)
    """Nesting of one event's JSON (rejected in its result); MySQL's JSON type takes 100."""
    max_string_length: int = Field(default=262_144, ge=64)
    """Characters of one string or key in an event (rejected in its result)."""
    max_requests_in_flight: int = Field(default=256, ge=1)
    """Requests waiting for Kafka's acknowledgement (503 with Retry-After beyond)."""
    max_bytes_in_flight: int = Field(default=67_108_864, ge=1024)
    """Bytes of all their bodies together, as received and without gzip (503 with Retry-After beyond)."""
    max_connections: int = Field(default=1024, ge=1, le=100_000)
    """Connections that are served; further ones are answered with 503 and closed."""
    head_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """Time a client has to send a request's head, from its first byte or the connection on (408)."""
    body_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """Time a client has to send a request's body (408)."""
    delivery_timeout_seconds: float = Field(default=20.0, gt=0)
    """Time Kafka has to take a request's events before the answer is 503."""


class CollectorSettings(ServiceSettings):
    """Environment of the collector."""

    port: int = 8000
    limits: CollectorLimits = CollectorLimits()
    authentication: ApiKeyMode = ApiKeyMode.OPEN
    api_keys_dir: str = "/etc/holded/api-keys"
    """Folder of the mounted Secret: one file a key, its name is the source name, its content the key."""
    rate_limit: RateLimit | None = None
    """Applied to each key by itself, in open mode to all requests together; None is without limit."""
    cors: Cors = Cors()
    event_id_headers: tuple[str, ...] = DEFAULT_ID_HEADERS
    canary_period_seconds: int = Field(default=0, ge=0, le=86_400)
    """Seconds between two canaries of this process; 0 sends none."""
