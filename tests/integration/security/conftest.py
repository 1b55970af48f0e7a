"""Secured systems, once a run, and a pipeline on them for each test."""

import secrets
from collections.abc import Iterator

import pytest

from tests.integration.security.harness import SecuredPipeline
from tests.support.secured import Secured, secured_systems


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_systems(tmp_path_factory.mktemp("secured")) as systems:
        yield systems


@pytest.fixture
def pipeline_on_secured(secured: Secured) -> Iterator[SecuredPipeline]:
    made = SecuredPipeline(secured, f"secured_{secrets.token_hex(4)}")
    yield made
    made.close()
