"""The CRD is generated, structural, documented, and says the same as the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holded_operator import crd
from holded_operator.api.v1alpha1 import HoldedPipeline
from tests.unit.operator.samples import DATA, NAMES, body, sample, version_schema

ROOT = Path(__file__).parents[3]


def test_the_committed_file_is_up_to_date():
    assert (ROOT / "crds" / crd.FILE_NAME).read_text("utf-8") == crd.to_yaml(), "run `make generate`"


def test_generation_writes_the_file_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert crd.main([str(tmp_path / "new")]) == 0

    written = Path(capsys.readouterr().out.strip())
    assert written.read_text("utf-8") == crd.to_yaml()
    assert crd.main([]) == 2


def _nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from _nodes(value, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


def test_the_schema_is_structural():
    allowed = {
        "additionalProperties", "anyOf", "default", "description", "enum", "exclusiveMinimum", "format", "items",
        "maxItems", "maxLength", "maxProperties", "maximum", "minLength", "minimum", "pattern", "properties", "required",
        "type", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
    }  # fmt: skip
    for path, node in _nodes(version_schema(), ""):
        assert set(node) <= allowed, path
        assert node.get("x-kubernetes-int-or-string") or isinstance(node["type"], str), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert isinstance(node.get("exclusiveMinimum", False), bool), path


def test_every_field_is_described():
    for part in ("spec", "status"):
        for path, node in _nodes(version_schema()["properties"][part], part):
            assert path.endswith("[]") or node.get("description"), path


def test_what_the_user_writes_is_bounded():
    """CEL's cost is estimated from these bounds; without them the server refuses the rules."""
    for path, node in _nodes(version_schema()["properties"]["spec"], "spec"):
        if node.get("type") == "string":
            assert "enum" in node or "maxLength" in node, path
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if isinstance(node.get("additionalProperties"), dict):
            assert "maxProperties" in node, path


def _filled(schema: dict[str, Any], value: Any) -> Any:
    """Return what the API server stores: defaults filled in, as it does."""
    if isinstance(value, list):
        return [_filled(schema["items"], item) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    result = dict(value)
    for name, child in schema["properties"].items():
        if name not in result and "default" in child:
            result[name] = child["default"]
        if name in result:
            result[name] = _filled(child, result[name])
    return result


@pytest.mark.parametrize("name", NAMES)
def test_defaults_of_the_server_are_those_of_the_models(name: str):
    resource = body(name)
    stored = _filled(version_schema()["properties"]["spec"], resource["spec"])

    assert stored != resource["spec"]
    assert HoldedPipeline.from_body({**resource, "spec": stored}) == sample(name)


def test_columns_and_subresources():
    version = crd.crd()["spec"]["versions"][0]

    assert [c["name"] for c in version["additionalPrinterColumns"] if not c.get("priority")] == [
        "Ready",
        "Phase",
        "Lag",
        "DeadLetters",
        "Latency",
        "Age",
    ]
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.worker.replicas"
    assert crd.crd()["spec"]["names"]["shortNames"] == ["hp"]


def test_rules_that_hold_for_updates_are_there():
    rules = {
        path: [rule["rule"] for rule in node["x-kubernetes-validations"]]
        for path, node in _nodes(version_schema(), "")
        if "x-kubernetes-validations" in node
    }

    for topic in ("raw", "silver", "deadLetter", "analytics", "ledger"):
        assert rules[f".spec.topics.{topic}.name"] == ["self == oldSelf"]
        assert rules[f".spec.topics.{topic}.partitions"] == ["self >= oldSelf"]
    assert rules[".spec.mysql.database"] == ["self == oldSelf"]


def test_a_choice_of_types_that_no_structural_schema_can_hold_is_an_error():
    with pytest.raises(ValueError, match="structural schema"):
        crd._without_null({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]})


def test_refused_samples_name_a_field_of_the_spec():
    import yaml

    cases = yaml.safe_load((DATA / "refused.yaml").read_text("utf-8"))
    assert len({case["case"] for case in cases}) == len(cases) >= 40
    paths = {path.removeprefix(".").replace("[]", "[0]") for path, _ in _nodes(version_schema(), "")}
    for case in cases:
        named = case["says"].split(" ")[0]
        parent = named.rpartition(".")[0]
        assert named in paths or parent in paths or parent == "metadata", case["case"]
