"""The whole desired state of each sample, as a file that a person can read and review."""

import os

import pytest
import yaml

from tests.unit.operator.samples import DATA, NAMES, document, rendered, sample


@pytest.mark.parametrize("name", NAMES)
def test_desired_state_is_the_golden_file(name: str):
    path = DATA / "output" / f"{name}.yaml"
    state = document(rendered(sample(name)))
    if os.environ.get("HOLDED_UPDATE_GOLDEN"):
        path.write_text(yaml.safe_dump(state, sort_keys=False, width=120), "utf-8")

    assert state == yaml.safe_load(path.read_text("utf-8"))


def test_every_output_has_its_input():
    assert {path.stem for path in (DATA / "output").glob("*.yaml")} == set(NAMES)
