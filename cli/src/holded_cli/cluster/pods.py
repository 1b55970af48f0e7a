"""The pods of a pipeline, component by component. Pure but for `read_components`."""

from dataclasses import dataclass

from holded_operator.constants import LABEL_COMPONENT
from holded_operator.desired import Component, FlinkRole, Part
from holded_operator.desired.state import replicas_of
from holded_operator.gateways.interfaces import Body, InspectionGateway
from holded_operator.steps.pods import is_ready, trouble
from holded_operator.steps.workloads import Children


@dataclass(frozen=True)
class ComponentState:
    """The workload of a component, or of a role of Flink's, None while there is none, and its pods."""

    component: Part
    workload: Body | None
    pods: tuple[Body, ...]

    @property
    def wanted(self) -> int:
        """Pods the workload asks for."""
        return 0 if self.workload is None else replicas_of(self.workload, self.component)

    @property
    def ready(self) -> int:
        """Pods whose condition Ready is True."""
        return sum(is_ready(pod) for pod in self.pods)

    @property
    def restarts(self) -> int:
        """Restarts of all containers of the pods there are."""
        return sum(int(status.get("restartCount") or 0) for pod in self.pods for status in container_statuses(pod))

    @property
    def trouble(self) -> str | None:
        """What keeps the first troubled pod from running."""
        return trouble(self.pods)


def read_components(gateway: InspectionGateway, body: Body, children: Children) -> tuple[ComponentState, ...]:
    """Return the components in the order of the data's way, then what there is of Flink."""
    parts = (*Component, *(role for role in FlinkRole if children.workload(role) is not None))
    return tuple(
        ComponentState(part, children.workload(part), tuple(gateway.list_pods(body, part.value))) for part in parts
    )


def container_statuses(pod: Body) -> list[Body]:
    """Return the statuses of a pod's containers; empty before the kubelet has seen it."""
    found: list[Body] = (pod.get("status") or {}).get("containerStatuses") or []
    return found


def component_of(item: Body) -> str | None:
    """Return the component that an object's label names."""
    label: str | None = (item["metadata"].get("labels") or {}).get(LABEL_COMPONENT)
    return label
