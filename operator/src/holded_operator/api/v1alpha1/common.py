"""What the parts of the resource share: the base model, CEL rules, references to Secrets, pod settings."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

_QUANTITY = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
_DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

Quantity = Annotated[
    str,
    BeforeValidator(str),
    Field(pattern=_QUANTITY, max_length=32),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
            "maxLength": 32,
        }
    ),
]
"""A Kubernetes quantity: 2, "500m", "192Mi"; held as text."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=_DNS_SUBDOMAIN)]
"""Name of an object in the pipeline's own namespace; a path to another namespace does not match."""

SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]

StringMap = dict[str, Annotated[str, Field(max_length=4096)]]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
LabelMap = dict[str, LabelValue]

FreeForm = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""Handed to Kubernetes as it is; the API server checks it when the child is applied."""


def cel(rule: str, message: str, *, field_path: str | None = None) -> dict[str, str]:
    """Return one CEL rule of the CRD; `field_path` is what the server's message points at."""
    entry = {"rule": rule, "message": message}
    return entry if field_path is None else {**entry, "fieldPath": field_path}


def rules(*entries: dict[str, str]) -> dict[str, Any]:
    """Return the schema extension that makes the API server check these rules."""
    return {"x-kubernetes-validations": list(entries)}


def immutable(what: str) -> dict[str, Any]:
    """Return the schema extension of a field that stays as it was created."""
    return rules(cel("self == oldSelf", f"{what} is immutable: create another pipeline instead"))


class ApiModel(BaseModel):
    """Base of every part: camelCase outside, immutable, no unknown field; docstrings become descriptions."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )


class SecretRef(ApiModel):
    """A Secret in the pipeline's namespace."""

    name: ObjectName
    """Name of the Secret."""


class CaSecretRef(ApiModel):
    """One key of a Secret that holds certificate authorities in PEM."""

    name: ObjectName
    """Name of the Secret."""
    key: SecretKey = "ca.crt"
    """Key inside the Secret."""


class Resources(ApiModel):
    """Compute resources of the container; what is not named keeps the component's default."""

    requests: dict[str, Quantity] = Field(default={}, max_length=16)
    """What the scheduler reserves, by resource name."""
    limits: dict[str, Quantity] = Field(default={}, max_length=16)
    """What the container may not exceed, by resource name."""


class Toleration(ApiModel):
    """A taint the pods tolerate."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """Key of the taint; empty with operator Exists matches every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """How the value is compared."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; none given matches all."""
    toleration_seconds: int | None = None
    """Seconds a NoExecute taint is tolerated; none given is for ever."""


class PodMetadata(ApiModel):
    """Labels and annotations added to the pods."""

    labels: LabelMap = Field(default={}, max_length=32)
    """Labels added to the operator's own; app.kubernetes.io/ and holded.dev/ are reserved."""
    annotations: StringMap = Field(default={}, max_length=32)
    """Annotations added to the operator's own; holded.dev/ is reserved."""


class PodSpec(ApiModel):
    """Where and how the pods are scheduled."""

    node_selector: LabelMap = Field(default={}, max_length=32)
    """Labels a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints the pods tolerate."""
    affinity: FreeForm | None = None
    """A Kubernetes Affinity."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""
    image_pull_secrets: Annotated[tuple[SecretRef, ...], Field(max_length=16)] = ()
    """Secrets with registry credentials."""
    topology_spread_constraints: Annotated[tuple[FreeForm, ...], Field(max_length=16)] = ()
    """Kubernetes TopologySpreadConstraints; they replace the default, which spreads over nodes where possible."""
    termination_grace_period_seconds: int = Field(default=40, ge=20, le=3600)
    """Seconds from SIGTERM to SIGKILL; all but 15 of them are the service's to finish accepted work."""


class PodTemplate(ApiModel):
    """What is added to the pods of a component."""

    metadata: PodMetadata = PodMetadata()
    """Labels and annotations of the pods."""
    spec: PodSpec = PodSpec()
    """Scheduling of the pods."""
