"""The short form of `make chaos-operator`: an operator of our own, behind a proxy that fails, on the real API server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.operator import checks, scenarios
from tests.chaos.operator.disturbed import (
    FAULTS,
    Arm,
    Undisturbed,
    disturbed,
    for_a_share,
    killed_at,
    old_lists_for,
    watching,
)
from tests.support.api_server import ApiServer, Kubelet
from tests.support.stack import OPERATOR_NAMESPACE, Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
OPERATOR = "deployment/holded-pipeline-operator"
CASES: dict[str, tuple[scenarios.Scenario, Arm]] = {
    "install, killed before its 20th write": (scenarios.INSTALL, killed_at(20, after=False)),
    "update, killed after its 3rd write": (scenarios.UPDATE, killed_at(3, after=True)),
    "remove, killed after its 5th write": (scenarios.REMOVE, killed_at(5, after=True)),
    "update, a third of all requests break": (
        scenarios.UPDATE,
        for_a_share(0.3, FAULTS["reset after the server"], seconds=8, seed=1),
    ),
    "update, no watch event comes": (scenarios.UPDATE, watching(drop=1.0)),
    "update, old lists": (scenarios.UPDATE, old_lists_for(5)),
}


@pytest.fixture
def api(stack: Stack) -> Iterator[ApiServer]:
    """The cluster without its own operator, which serves all namespaces."""
    operator = ("-n", OPERATOR_NAMESPACE, OPERATOR)
    replicas = stack.cluster.kubectl("get", *operator, "-o", "jsonpath={.spec.replicas}")
    stack.cluster.kubectl("scale", *operator, "--replicas=0")
    pods = ("get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "name")
    wait_until(lambda: "operator" not in stack.cluster.kubectl(*pods), timeout=90, what="the operator has stopped")
    found = ApiServer(stack.cluster.kubeconfig)
    try:
        with Kubelet(found):
            yield found
    finally:
        stack.cluster.kubectl("scale", *operator, f"--replicas={replicas}")
        stack.cluster.kubectl("rollout", "status", *operator, "--timeout=120s")


def test_a_disturbed_operator_ends_in_the_same_state_and_an_undisturbed_one_writes_nothing(api: ApiServer) -> None:
    undisturbed = Undisturbed(api)
    with ThreadPoolExecutor(4) as threads:
        quiet = threads.submit(checks.quiescence, api)
        found = {
            name: threads.submit(disturbed, api, undisturbed, scenario, arm, killed="killed" in name)
            for name, (scenario, arm) in CASES.items()
        }
        violations = {name: future.result() for name, future in found.items()} | {"quiescence": quiet.result()}
    assert {name: lines for name, lines in violations.items() if lines} == {}
