"""O2: no field of the resource is dead."""

import copy
import re
from typing import Any

import pytest

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import desired_replicas
from tests.unit.operator.field_table import TABLE, Step
from tests.unit.operator.samples import body as sample_body
from tests.unit.operator.samples import document, leaves, merged, rendered, version_schema


def test_every_field_of_the_crd_has_a_row_and_no_row_is_left_over():
    assert set(leaves(version_schema()["properties"]["spec"])) == set(TABLE)


@pytest.mark.parametrize("path", sorted(TABLE))
def test_field_decides_its_place(path: str):
    row = TABLE[path]
    before, after = _spec(row.given), _spec(row.given)
    _set(after, path, row.value)

    assert _look(_places(before), row.place) != row.want
    assert _look(_places(after), row.place) == row.want


def _spec(given: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = merged(sample_body("full")["spec"], given)
    return spec


def _pipeline(spec: dict[str, Any]) -> HoldedPipeline:
    return HoldedPipeline.from_body({**sample_body("full"), "spec": spec})


def _set(spec: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = re.split(r"\.", path)
    node = spec
    for step in parents:
        if step.endswith("[]"):
            items = node.setdefault(step.removesuffix("[]"), [{}])
            node = items[0]
        else:
            node = node.setdefault(step, {})
    node[last] = copy.deepcopy(value)


def _places(spec: dict[str, Any]) -> dict[str, Any]:
    pipeline = _pipeline(spec)
    places = document(rendered(pipeline))
    places["objects"] = {f"{item['kind']}/{item['metadata']['name']}": item for item in places["objects"]}
    for key in ("topics", "subjects"):
        places[key] = {item["artefact"]: item for item in places[key]}
    autoscaling = pipeline.spec.worker.autoscaling
    if autoscaling is not None:
        places["replicas at a lag of 20000"] = desired_replicas(autoscaling, current=1, lag=20_000, partitions=12)
    return places


def _look(node: Any, place: tuple[Step, ...]) -> Any:
    for step in place:
        if isinstance(step, dict):
            node = next((item for item in node if item.get("name") == step["name"]), None)
        elif isinstance(node, list):
            node = node[int(step)] if int(step) < len(node) else None
        else:
            node = node.get(step)
        if node is None:
            return None
    return node
