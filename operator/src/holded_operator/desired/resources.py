"""CPU and memory of the containers."""

from dataclasses import dataclass

from holded_operator.api.v1alpha1 import Resources
from holded_operator.desired import quantities
from holded_operator.desired.state import Component, FlinkRole, Part


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a container asks for when the spec says nothing."""

    cpu: str
    memory: str
    memory_limit: str
    disk_limit: str = "1Gi"
    """Logs and /tmp; a pod that fills the node's disk is evicted instead of its neighbours."""


DEFAULTS: dict[Part, Defaults] = {
    Component.COLLECTOR: Defaults(cpu="100m", memory="192Mi", memory_limit="512Mi"),
    Component.WORKER: Defaults(cpu="200m", memory="512Mi", memory_limit="1536Mi"),
    Component.SINK: Defaults(cpu="100m", memory="192Mi", memory_limit="512Mi"),
    # With room for the job's libraries, of which each submission brings 300 MB.
    FlinkRole.JOB_MANAGER: Defaults(cpu="50m", memory="640Mi", memory_limit="1Gi", disk_limit="6Gi"),
    FlinkRole.TASK_MANAGER: Defaults(cpu="100m", memory="1Gi", memory_limit="1536Mi", disk_limit="6Gi"),
}
"""Small enough that operator, pipeline, Kafka, registry and MySQL fit a kind node of 2 cores.

There is no CPU limit on purpose: throttling would stall heartbeats and probes exactly when there is work to do, and the
request already guarantees the share. A namespace whose quota demands one sets it in the spec.
"""

_DISK_REQUEST = "64Mi"


def resources(default: Part | Defaults, given: Resources) -> dict[str, dict[str, str]]:
    """Return requests and limits: the spec's where it names them, else the defaults, bent so that they agree."""
    if not isinstance(default, Defaults):
        default = DEFAULTS[default]
    requests = {"cpu": default.cpu, "memory": default.memory, "ephemeral-storage": _DISK_REQUEST}
    limits = {"memory": default.memory_limit, "ephemeral-storage": default.disk_limit}
    requests |= given.requests
    limits |= given.limits
    for name in requests.keys() & limits.keys():
        if quantities.value(requests[name]) > quantities.value(limits[name]):
            if name not in given.limits:
                limits[name] = requests[name]
            elif name not in given.requests:
                requests[name] = limits[name]
    return {
        "limits": {name: quantities.canonical(amount) for name, amount in sorted(limits.items())},
        "requests": {name: quantities.canonical(amount) for name, amount in sorted(requests.items())},
    }
