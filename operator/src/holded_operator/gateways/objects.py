"""Objects of the API server as JSON: where they are, what makes them up, whose they are; and Events."""

import hashlib
import json
import time
from datetime import UTC, datetime

from holded_operator.constants import API_VERSION, FIELD_MANAGER, GROUP, KIND, LABEL_INSTANCE, LABEL_MANAGED_BY, PLURAL
from holded_operator.desired.state import FLINK_DEPLOYMENT
from holded_operator.exceptions import (
    FlinkOperatorMissingError,
    ObjectConflictError,
    ObjectRejectedError,
    ObjectTerminatingError,
    OperatorError,
)
from holded_operator.gateways.interfaces import Body, is_owned_by, object_id

RESOURCES: dict[str, tuple[str, str]] = {
    "ConfigMap": ("v1", "configmaps"),
    "Service": ("v1", "services"),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims"),
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "PodMonitor": ("monitoring.coreos.com/v1", "podmonitors"),
    "FlinkDeployment": ("flink.apache.org/v1beta1", "flinkdeployments"),
}
"""Every kind that a pipeline can own: API version and plural."""
OPTIONAL_KINDS = frozenset({"PodMonitor", "FlinkDeployment"})
"""Kinds of which a cluster may know nothing."""

NOTE_BYTES = 1024
"""Length of an Event's text, by the API server's rule."""
_SERVER_FIELDS = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


def content(live: Body) -> Body:
    """Return what makes up an object: all but its kind, its status and the server's own bookkeeping."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in _SERVER_FIELDS}
    rest = {key: value for key, value in live.items() if key not in {"metadata", "status", "apiVersion", "kind"}}
    return {"metadata": metadata, **rest}


def fingerprint(live: Body) -> str:
    """Return a digest of what makes up an object."""
    return digest(content(live))


def digest(document: Body) -> str:
    """Return a digest of JSON content."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def items(answer: Body) -> list[Body]:
    """Return a list's items; an empty list of metadata alone comes with null instead of []."""
    found: list[Body] = answer["items"] or []
    return found


def not_served(wanted: Body) -> OperatorError:
    """Return what it means that the place of an object is not there."""
    if wanted["kind"] == FLINK_DEPLOYMENT:
        return FlinkOperatorMissingError()
    what = f"{wanted['apiVersion']} {wanted['kind']} is not served here, or the namespace is gone"
    return ObjectRejectedError(object_id(wanted), what)


def refuse_foreign(pipeline: Body, live: Body) -> None:
    """Raise ObjectConflict- or ObjectTerminatingError for a live object that is not this pipeline's to change."""
    metadata = live["metadata"]
    if metadata.get("deletionTimestamp"):
        raise ObjectTerminatingError(object_id(live))
    if is_owned_by(live, pipeline["metadata"]["uid"]):
        return
    controllers = [owner for owner in metadata.get("ownerReferences") or () if owner.get("controller")]
    if any(owner["kind"] == KIND and owner["name"] == pipeline["metadata"]["name"] for owner in controllers):
        # Of a resource of the same name that was deleted: the garbage collector takes it away.
        raise ObjectTerminatingError(object_id(live))
    if controllers:
        owner = controllers[0]
        raise ObjectConflictError(object_id(live), f"is controlled by {owner['kind']} {owner['name']}")
    labels = metadata.get("labels") or {}
    if labels.get(LABEL_MANAGED_BY) != FIELD_MANAGER or labels.get(LABEL_INSTANCE) != pipeline["metadata"]["name"]:
        raise ObjectConflictError(object_id(live), "was not made for this HoldedPipeline")


def collection_path(version: str, plural: str, namespace: str | None) -> str:
    """Return the path of all objects of a kind in a namespace; without one, of those in all namespaces."""
    root = "/api" if "/" not in version else "/apis"
    scope = "" if namespace is None else f"namespaces/{namespace}/"
    return f"{root}/{version}/{scope}{plural}"


def object_path(body: Body) -> str:
    """Return the path of an owned object."""
    version, plural = RESOURCES[body["kind"]]
    return f"{collection_path(version, plural, body['metadata']['namespace'])}/{body['metadata']['name']}"


def pipeline_path(namespace: str, name: str | None) -> str:
    """Return the path of a HoldedPipeline, or without a name of all in a namespace."""
    path = collection_path(API_VERSION, PLURAL, namespace)
    return path if name is None else f"{path}/{name}"


def event_body(pipeline: Body, *, kind: str, reason: str, message: str, instance: str) -> Body:
    """Return an Event about a pipeline; its name is of this moment."""
    metadata = pipeline["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": metadata["namespace"]},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": f"{GROUP}/operator",
        "reportingInstance": instance[:128],
        "action": "Reconcile",
        "type": kind,
        "reason": reason,
        "note": _cut(message),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion"),
        },
    }


def _cut(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= NOTE_BYTES:
        return message
    return encoded[: NOTE_BYTES - 3].decode(errors="ignore") + "…"
