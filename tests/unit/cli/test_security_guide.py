"""The security guide's example is a resource that the operator takes, and its fields are the resource's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from holded_contracts import advice
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import ANNOTATION_SECRET_CHECKSUM, KIND
from holded_operator.validation import validate

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "guides" / "security.md").read_text("utf-8")
CRD = yaml.safe_load((ROOT / "crds" / "holdedpipelines.holded.dev.yaml").read_text("utf-8"))
SPEC = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
SECURED = ("kafka.security", "schemaRegistry", "mysql")


@pytest.fixture
def example() -> dict[str, Any]:
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    documents = list(yaml.safe_load_all(block))
    return next(document for document in documents if document["kind"] == KIND)


def fields(schema: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of all leaves of a schema."""
    found = set[str]()
    for name, inner in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found |= fields(inner, here) or {here}
    return found


def leaves(value: Any, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    return set[str]().union(*(leaves(inner, f"{path}.{name}" if path else name) for name, inner in value.items()))


def test_the_example_is_valid_and_has_every_field_of_security(example: dict[str, Any]) -> None:
    assert validate(HoldedPipeline.from_body(with_metadata(example))) == []
    wanted = {field for field in fields(SPEC) if field.startswith(SECURED)}
    free = {"mysql.port", "mysql.database", "kafka.security.caSecretRef.key", "schemaRegistry.caSecretRef.key"}
    assert wanted - free <= leaves(example["spec"])


def test_every_field_that_the_guide_and_the_messages_name_is_one_of_the_resource() -> None:
    known = fields(SPEC)
    branches = {field.rpartition(".")[0] for field in known} | known
    in_guide = set(re.findall(r"`((?:kafka|schemaRegistry|mysql|collector)\.[A-Za-z.]+)`", GUIDE))
    registry = [said for _, said in advice._REGISTRY]
    texts = " ".join([*registry, *advice.KAFKA_RESOURCE, *advice.MYSQL_RESOURCE, advice.REGISTRY_CA])
    in_messages = set(re.findall(r"spec\.((?:kafka|schemaRegistry|mysql)\.[A-Za-z.]*[A-Za-z])", texts))
    assert len(in_guide) > 10
    assert len(in_messages) > 8
    assert in_guide | in_messages <= branches


def test_the_annotation_is_the_one_that_is_written() -> None:
    assert f"`{ANNOTATION_SECRET_CHECKSUM}`" in GUIDE


def with_metadata(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"metadata": {"namespace": "data", "uid": "u", "generation": 1} | body["metadata"]}
