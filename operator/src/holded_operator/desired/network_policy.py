"""Who may talk to the pods."""

from typing import Any

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.state import Component, Manifest


def network_policy(
    pipeline: HoldedPipeline, component: Component, *, port: int, from_outside: bool = False
) -> Manifest:
    """Return the policy that opens one port to the cluster's pods, or to everybody, and nothing else.

    Outgoing traffic stays free: the addresses of Kafka, the registry and MySQL are not known as pod selectors.
    """
    rule: dict[str, Any] = {"ports": [{"port": port, "protocol": "TCP"}]}
    if not from_outside:
        rule["from"] = [{"namespaceSelector": {}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(pipeline, names.child_name(pipeline, component), component),
        "spec": {
            "podSelector": {"matchLabels": names.selector_labels(pipeline, component)},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }
