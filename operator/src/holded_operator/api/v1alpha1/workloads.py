"""The three workloads: collector, worker, sink."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from holded_contracts.identity import DEFAULT_ID_HEADERS
from holded_contracts.settings import ApiKeyMode
from holded_operator.api.v1alpha1.common import ApiModel, PodTemplate, Resources, SecretRef, StringMap, cel, rules
from holded_operator.api.v1alpha1.flink import Flink

_MAX_AT_LEAST_MIN = cel(
    "self.maxReplicas >= self.minReplicas", "maxReplicas must be at least minReplicas", field_path=".maxReplicas"
)
_REPLICAS_OR_AUTOSCALING = cel(
    "!has(self.autoscaling) || self.replicas == 1",
    "replicas is decided by autoscaling: remove replicas, or remove autoscaling",
    field_path=".replicas",
)

Replicas = Annotated[int, Field(ge=0, le=1000)]
ScaleBound = Annotated[int, Field(ge=1, le=1000)]


class CollectorAutoscaling(ApiModel):
    """A HorizontalPodAutoscaler on CPU."""

    model_config = ConfigDict(json_schema_extra=rules(_MAX_AT_LEAST_MIN))

    min_replicas: ScaleBound = 1
    """Pods at least."""
    max_replicas: ScaleBound
    """Pods at most."""
    target_cpu_utilization_percentage: int = Field(default=70, ge=1, le=100, alias="targetCPUUtilizationPercentage")
    """Average CPU use, in per cent of the request, that the autoscaler aims at."""


class RateLimit(ApiModel):
    """How many events may come in; beyond it the answer is 429 with Retry-After."""

    events_per_second: int = Field(ge=1, le=10_000_000)
    """Events a second, for each pod."""
    burst: int | None = Field(default=None, ge=1, le=100_000_000)
    """Events at once after a pause, for each pod; as many as in one second when absent."""


class Authentication(ApiModel):
    """Who may send events."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "(self.mode == 'ApiKey') == has(self.secretRef)",
                "secretRef is required with mode ApiKey, and unused with mode Open",
                field_path=".secretRef",
            )
        )
    )

    mode: ApiKeyMode = ApiKeyMode.OPEN
    """Open, or ApiKey: a request needs one of the Secret's keys."""
    secret_ref: SecretRef | None = None
    """Secret whose keys are source names and whose values are their API keys."""
    rate_limit: RateLimit | None = None
    """Limit of each API key, in mode Open of all requests together; without limit when absent."""


class Limits(ApiModel):
    """What one request may ask for; beyond it the answer is an error, never a crash."""

    max_body_bytes: int = Field(default=5_242_880, ge=1024)
    """Body size in bytes, before and after gzip (413)."""
    max_events_per_request: int = Field(default=5000, ge=1)
    """Length of the JSON array (413)."""
    max_event_bytes: int = Field(default=900_000, ge=256)
    """Size of one event's JSON in bytes (rejected in its result); below the topic's max.message.bytes."""
    max_depth: int = Field(default=64, ge=4, le=100)
    """Nesting of one event's JSON (rejected in its result); MySQL's JSON type takes 100."""
    max_string_length: int = Field(default=262_144, ge=64)
    """Characters of one string or key in an event (rejected in its result); the worker cuts at its own limit."""
    max_requests_in_flight: int = Field(default=256, ge=1)
    """Requests per pod that wait for Kafka (503 with Retry-After beyond)."""
    max_bytes_in_flight: int = Field(default=67_108_864, ge=1024)
    """Bytes of these requests' bodies per pod, as received and without gzip (503 with Retry-After beyond)."""
    max_connections: int = Field(default=1024, ge=1, le=100_000)
    """Connections per pod; further ones are answered with 503 and closed."""
    head_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """Seconds a client has to send the head of a request (408)."""
    body_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """Seconds a client has to send the body of a request (408)."""
    delivery_timeout_seconds: float = Field(default=20.0, gt=0)
    """Seconds Kafka has to take a request's events before the answer is 503."""


Origin = Annotated[
    str,
    Field(max_length=255, pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?)$"),
]


class Cors(ApiModel):
    """Which web pages may post events from a browser."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.allowedOrigins) || !('*' in self.allowedOrigins) || size(self.allowedOrigins) == 1",
                "* allows every origin: name no others beside it",
                field_path=".allowedOrigins",
            )
        )
    )

    allowed_origins: Annotated[tuple[Origin, ...], Field(max_length=64)] = ()
    """Origins as browsers send them, e.g. https://shop.example.com, or * alone; none turns CORS off."""
    max_age_seconds: int = Field(default=600, ge=0, le=86_400)
    """Seconds for which a browser may keep the answer to its preflight request."""


class CollectorService(ApiModel):
    """How the collector is reached."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.nodePort) || self.type != 'ClusterIP'",
                "nodePort needs type NodePort or LoadBalancer",
                field_path=".nodePort",
            )
        )
    )

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service."""
    node_port: int | None = Field(default=None, ge=1, le=65535)
    """Port on every node; Kubernetes picks one when absent."""
    annotations: StringMap = Field(default={}, max_length=32)
    """Annotations of the Service, e.g. for a cloud's load balancer."""


class Collector(ApiModel):
    """The HTTP service that takes events."""

    model_config = ConfigDict(json_schema_extra=rules(_REPLICAS_OR_AUTOSCALING))

    replicas: Replicas = 1
    """Number of pods; 0 pauses this stage. Left out with autoscaling."""
    autoscaling: CollectorAutoscaling | None = None
    """Scale on CPU instead of a fixed number."""
    authentication: Authentication = Authentication()
    """Who may send events."""
    limits: Limits = Limits()
    """What one request may ask for."""
    cors: Cors = Cors()
    """Which web pages may post events from a browser."""
    event_id_headers: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=32)
    ] = DEFAULT_ID_HEADERS
    """Event headers taken for the event's own id, in this order; with none of them the content is the identity."""
    service: CollectorService = CollectorService()
    """How the collector is reached."""
    resources: Resources = Resources()
    """CPU and memory; default 100m and 192Mi requested, 512Mi at most."""
    pod_template: PodTemplate = PodTemplate()
    """Additions to the pods."""

    @property
    def most_replicas(self) -> int:
        """Pods at most."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas


class Runner(StrEnum):
    """What executes the Beam pipeline."""

    EMBEDDED = "Embedded"
    FLINK = "Flink"


class WorkerAutoscaling(ApiModel):
    """Scaling by the operator on consumer lag."""

    model_config = ConfigDict(json_schema_extra=rules(_MAX_AT_LEAST_MIN))

    min_replicas: ScaleBound = 1
    """Pods at least."""
    max_replicas: ScaleBound
    """Pods at most; more than raw has partitions would be idle."""
    target_lag: int = Field(default=10_000, ge=1)
    """Events of lag per pod that are aimed at."""


class WorkerBatch(ApiModel):
    """A batch is closed by whichever comes first."""

    max_events: int = Field(default=5000, ge=1, le=100_000)
    """Events in a batch."""
    max_wait_ms: int = Field(default=50, ge=1, le=60_000)
    """Milliseconds the first event of a batch waits."""


_NAME, _ACTION = r"^[A-Za-z][A-Za-z0-9]*$", r"^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$"
"""What parts of a type look like, in any case: a value of another form could never match."""

_Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=128, pattern=_NAME)], ...], Field(max_length=256)
]
_Actions = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=128, pattern=_ACTION)], ...], Field(max_length=256)
]


class ClassificationRule(ApiModel):
    """One rule; it matches when each given list holds the event's value, compared without case. First match wins."""

    context: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", max_length=64)
    """Business context given to matching events."""
    domains: _Names = ()
    """Domains that match, e.g. Wallet; any when empty."""
    entities: _Names = ()
    """Entities that match, e.g. Transaction; any when empty."""
    actions: _Actions = ()
    """Actions that match, e.g. created or logged_in; any when empty."""


class Classification(ApiModel):
    """How events get their business context."""

    rules: Annotated[tuple[ClassificationRule, ...], Field(max_length=256)] = ()
    """Rules tried in this order, before the built-in ones."""


class QualityWeights(ApiModel):
    """Share of each dimension in the quality score; they are normalised to 1."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.completeness + self.validity + self.consistency + self.timeliness > 0.0",
                "all weights are 0: give at least one dimension a weight",
            )
        )
    )

    completeness: float = Field(default=0.4, ge=0)
    """Weight of how many expected fields are there."""
    validity: float = Field(default=0.3, ge=0)
    """Weight of how many fields have legal values."""
    consistency: float = Field(default=0.2, ge=0)
    """Weight of how well fields agree with each other."""
    timeliness: float = Field(default=0.1, ge=0)
    """Weight of how soon the event arrived."""


class Quality(ApiModel):
    """How events are scored."""

    weights: QualityWeights = QualityWeights()
    """Share of each dimension."""


class Worker(ApiModel):
    """The Beam pipeline from raw to silver."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _REPLICAS_OR_AUTOSCALING,
            cel("!has(self.flink) || self.runner == 'Flink'", "flink needs runner Flink", field_path=".flink"),
            cel(
                "!has(self.autoscaling) || self.runner == 'Embedded'",
                "autoscaling needs runner Embedded: Flink scales by flink.taskManagers",
                field_path=".autoscaling",
            ),
            cel(
                "self.runner == 'Embedded' || self.replicas <= 1",
                "replicas is 0 or 1 with runner Flink, which scales by flink.taskManagers",
                field_path=".replicas",
            ),
        )
    )

    runner: Runner = Runner.EMBEDDED
    """Embedded (one pod is one consumer-group member) or Flink (a Flink cluster of the pipeline's own)."""
    replicas: Replicas = 1
    """Number of pods; 0 pauses this stage. The scale subresource sets it. Left out with autoscaling; 0 or 1 with
    Flink."""
    autoscaling: WorkerAutoscaling | None = None
    """Scale on lag instead of a fixed number."""
    dedup_window: str = Field(default="24h", max_length=16, pattern=r"^[0-9]{1,6}[smhd]$")
    """Duplicates within this time are dropped by the worker, older ones by gold; 0s turns the worker's index off."""
    dedup_max_ids: int = Field(default=10_000_000, ge=1000)
    """Most event ids that a pod remembers, 23 bytes each; beyond it the oldest leave before dedupWindow has passed."""
    batch: WorkerBatch = WorkerBatch()
    """Size of a batch."""
    classification: Classification = Classification()
    """How events get their business context."""
    quality: Quality = Quality()
    """How events are scored."""
    max_string_length: int = Field(default=65_535, ge=64)
    """Longer strings in data are cut (characters)."""
    flink: Flink | None = None
    """The Flink cluster; only with runner Flink."""
    resources: Resources = Resources()
    """CPU and memory of the container that runs the pipeline; default 200m and 512Mi requested, 1536Mi at most."""
    pod_template: PodTemplate = PodTemplate()
    """Additions to the pods, with Flink to all of its pods."""


class SinkBatch(ApiModel):
    """A batch is closed by whichever comes first."""

    max_rows: int = Field(default=5000, ge=1, le=50_000)
    """Rows in a MySQL transaction."""
    max_wait_ms: int = Field(default=200, ge=1, le=60_000)
    """Milliseconds the first row of a batch waits."""


class Sink(ApiModel):
    """The consumer that writes gold."""

    replicas: Replicas = 1
    """Number of pods; 0 pauses this stage."""
    batch: SinkBatch = SinkBatch()
    """Size of a batch."""
    retention_days: int = Field(default=0, ge=0)
    """Days of events kept in MySQL; 0 keeps everything."""
    resources: Resources = Resources()
    """CPU and memory; default 100m and 192Mi requested, 512Mi at most."""
    pod_template: PodTemplate = PodTemplate()
    """Additions to the pods."""
