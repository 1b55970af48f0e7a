"""Which versions belong to which pipeline."""

import json
from typing import Any

from holded_operator.gateways.versions import VersionReader, by_pipeline, owned_paths, pipeline_paths


def answer(*items: dict[str, Any], version: str = "1") -> bytes:
    """Return a list as the API server writes it: its own version comes before the items."""
    listed = {"metadata": {"resourceVersion": version}, "items": [{"metadata": item} for item in items]}
    return json.dumps({"kind": "PartialObjectMetadataList"} | listed).encode()


def test_each_pipeline_has_its_own_version_and_those_of_what_it_owns() -> None:
    pipelines = answer({"uid": "a", "resourceVersion": "1"}, {"uid": "b", "resourceVersion": "2", "managedFields": []})
    owned = answer(
        {"uid": "x", "resourceVersion": "3", "ownerReferences": [{"uid": "a", "kind": "HoldedPipeline"}]},
        {"uid": "y", "resourceVersion": "4", "ownerReferences": [{"uid": "gone"}]},
        {"uid": "z", "resourceVersion": "5"},
    )
    assert by_pipeline([pipelines], [owned, b'{"items": null}']) == {
        "a": {("a", "1"), ("x", "3")},
        "b": {("b", "2")},
    }


def test_answers_that_are_the_same_but_for_the_lists_version_are_not_decoded_anew() -> None:
    pipeline = {"uid": "a", "resourceVersion": "1"}
    owned = {"uid": "x", "resourceVersion": "3", "ownerReferences": [{"uid": "a"}]}
    reader = VersionReader()
    first = reader.read([answer(pipeline, version="7")], [answer(owned, version="8")])
    assert reader.read([answer(pipeline, version="9")], [answer(owned, version="10")]) is first
    assert reader.read([answer(pipeline)], [answer(owned | {"resourceVersion": "4"})]) == {
        "a": {("a", "1"), ("x", "4")}
    }
    assert reader.read([answer(pipeline)], []) == {"a": {("a", "1")}}


def test_lists_are_of_the_served_namespaces_or_of_all() -> None:
    assert pipeline_paths(()) == ["/apis/holded.dev/v1alpha1/holdedpipelines"]
    assert pipeline_paths(("a", "b")) == [
        "/apis/holded.dev/v1alpha1/namespaces/a/holdedpipelines",
        "/apis/holded.dev/v1alpha1/namespaces/b/holdedpipelines",
    ]
    assert "/api/v1/configmaps" in owned_paths(())
    assert "/apis/apps/v1/namespaces/a/statefulsets" in owned_paths(("a",))
