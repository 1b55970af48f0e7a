"""Who may talk to the pods."""

from collections.abc import Sequence
from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.state import Manifest, Part

ANYBODY: dict[str, Any] = {"namespaceSelector": {}}
"""Every pod of the cluster."""
FLINK_OPERATOR: dict[str, Any] = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {constants.LABEL_NAME: "flink-kubernetes-operator"}},
}
"""The Flink Kubernetes Operator, in whichever namespace; the label is its chart's."""


def network_policy(pipeline: HoldedPipeline, part: Part, *, port: int, from_outside: bool = False) -> Manifest:
    """Return the policy that opens one port to the cluster's pods, or to everybody, and nothing else."""
    return policy(pipeline, part, [rule([port], *([] if from_outside else [ANYBODY]))])


def policy(pipeline: HoldedPipeline, part: Part, ingress: Sequence[dict[str, Any]]) -> Manifest:
    """Return the policy that lets in what these rules name, and nothing else.

    Outgoing traffic stays free: the addresses of Kafka, the registry and MySQL are not known as pod selectors.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(pipeline, names.child_name(pipeline, part), part),
        "spec": {
            "podSelector": {"matchLabels": names.selector_labels(pipeline, part)},
            "policyTypes": ["Ingress"],
            "ingress": list(ingress),
        },
    }


def rule(ports: Sequence[int], *peers: dict[str, Any]) -> dict[str, Any]:
    """Return the rule that opens ports to peers, or to everybody when none is named."""
    opened: dict[str, Any] = {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
    return {**opened, "from": list(peers)} if peers else opened


def pods_of(pipeline: HoldedPipeline, part: Part) -> dict[str, Any]:
    """Return a part of the same pipeline as a peer."""
    return {"podSelector": {"matchLabels": names.selector_labels(pipeline, part)}}
