"""How a FlinkDeployment is: what the Flink Kubernetes Operator tells of the JobManager, and the TaskManagers' pods.

Its events do not wake us, since its kind may not be there to watch; the passes of a pipeline that is not ready, the
events of the submitter's StatefulSet, and the resync see to it.
"""

import json
from collections.abc import Sequence

from holded_operator.desired import FlinkRole
from holded_operator.desired.state import replicas_of
from holded_operator.gateways.interfaces import Body, object_id
from holded_operator.status import WORKER_READY, PartResult
from holded_operator.steps.pods import is_ready, trouble

_READY = "READY"


def of_flink_deployment(live: Body, role: FlinkRole, pods: Sequence[Body]) -> PartResult:
    """Return the condition of one role; `pods` are the role's."""
    status = live.get("status") or {}
    if status.get("error"):
        return _not_ok("FlinkDeploymentFailing", f"{object_id(live)}: {_error(str(status['error']))}")
    seen = int(status.get("observedGeneration") or 0) >= int(live["metadata"].get("generation") or 0)
    if not seen:
        message = "is not taken up: does the Flink Kubernetes Operator run, and watch this namespace?"
        return _not_ok("FlinkDeploymentPending", f"{object_id(live)} {message}")
    wanted = replicas_of(live, role)
    ready = sum(is_ready(pod) for pod in pods)
    told = status.get("jobManagerDeploymentStatus")
    answers = role is FlinkRole.TASK_MANAGER or told == _READY
    message = f"{ready} of {wanted} pods are ready"
    if ready >= wanted and answers:
        return PartResult(WORKER_READY, ok=True, reason="PodsReady", message=message)
    problem = trouble(pods)
    if problem is not None:
        return _not_ok("PodsFailing", f"{message}: {problem}")
    return _not_ok("PodsNotReady", message if answers else f"{message}, {object_id(live)} says {told or 'nothing'}")


def _not_ok(reason: str, message: str) -> PartResult:
    return PartResult(WORKER_READY, ok=False, reason=reason, message=message)


def _error(text: str) -> str:
    """Return the message of the other operator's error, which is JSON of exceptions."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    message = found.get("message") if isinstance(found, dict) else None
    return str(message or text)
