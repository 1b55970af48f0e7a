"""Why pods are not ready, in words that stay the same while the cause does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holded_operator.gateways.interfaces import Body

_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_WITH_MESSAGE = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "InvalidImageName", "RunContainerError"}
)
"""Waiting reasons whose message tells more than the reason and does not count seconds."""
_WITH_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})


def trouble(pods: Sequence[Body]) -> str | None:
    """Return what keeps the first troubled pod (by name) from running; None while all are merely starting."""
    for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"])):
        if pod["metadata"].get("deletionTimestamp"):
            continue
        cause = _unschedulable(pod) or _containers(pod)
        if cause is not None:
            return f"pod {pod['metadata']['name']}: {cause}"
    return None


def is_ready(pod: Body) -> bool:
    """Tell whether a pod's condition Ready is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _unschedulable(pod: Body) -> str | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason')}: {condition.get('message')}"
    return None


def _containers(pod: Body) -> str | None:
    statuses: Iterable[Mapping[str, Any]] = (pod.get("status") or {}).get("containerStatuses") or ()
    for container in statuses:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in _STARTING:
            return _waiting(container, waiting)
    return None


def _waiting(container: Mapping[str, Any], waiting: Mapping[str, Any]) -> str:
    reason = str(waiting.get("reason"))
    if reason in _WITH_IMAGE:
        # One word for both: the kubelet swings between trying and backing off.
        return f"image {container['image']} cannot be pulled"
    if reason in _WITH_MESSAGE:
        return f"{reason}: {waiting.get('message')}"
    ended = (container.get("lastState") or {}).get("terminated")
    if ended:
        cause = ended.get("reason")
        return f"{reason}: container {container['name']} ended with exit code {ended.get('exitCode')} ({cause})"
    return reason
