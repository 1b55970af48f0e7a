"""The stack under test: a kind cluster of its own with both charts, installed by the steps that `make demo` uses.

HOLDED_E2E_KEEP=1 leaves the cluster standing for another run or a look around; otherwise it is deleted at the end.
HOLDED_E2E_CLUSTER names another cluster than `holded-e2e`.
"""

import os
from collections.abc import Iterator

import pytest

from tests.support.stack import Stack, Testbed

TESTBED = Testbed(os.environ.get("HOLDED_E2E_CLUSTER", "holded-e2e"), "tests/e2e/kind-config.yaml")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    # The installation takes minutes: its progress is shown while it runs.
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for name in ("cluster", "images", "deploy"):
            TESTBED.step(name)
    yield TESTBED.stack(tmp_path_factory.mktemp("kind") / "kubeconfig")
    if os.environ.get("HOLDED_E2E_KEEP") != "1":
        TESTBED.step("clean")
