"""The typed resource: equal to the contract where both say the same, frozen, strict."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from holded_contracts import settings as contract
from holded_operator.api import durations
from holded_operator.api.v1alpha1 import HoldedPipeline, workloads
from tests.unit.operator.samples import body, merged, sample

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "pattern", "default", "type")


def _bounds(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    properties = model.model_json_schema(by_alias=False)["properties"]
    return {
        name: {key: value for key, value in schema.items() if key in _BOUNDS} for name, schema in properties.items()
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (workloads.Limits, contract.CollectorLimits),
        (workloads.WorkerBatch, contract.WorkerBatch),
        (workloads.SinkBatch, contract.SinkBatch),
        (workloads.QualityWeights, contract.QualityWeights),
        (workloads.ClassificationRule, contract.ClassificationRule),
    ],
)
def test_bounds_and_defaults_equal_the_contracts(ours: type[BaseModel], theirs: type[BaseModel]):
    assert _bounds(ours) == _bounds(theirs)


@pytest.mark.parametrize(
    ("ours", "name", "theirs", "their_name"),
    [
        (workloads.Worker, "dedup_max_ids", contract.WorkerSettings, "dedup_max_ids"),
        (workloads.Worker, "max_string_length", contract.WorkerSettings, "max_string_length"),
        (workloads.Sink, "retention_days", contract.SinkSettings, "retention_days"),
    ],
)
def test_single_bounds_equal_the_contracts(ours: type[BaseModel], name: str, theirs: type[BaseModel], their_name: str):
    assert ours.model_fields[name].metadata == theirs.model_fields[their_name].metadata
    assert ours.model_fields[name].default == theirs.model_fields[their_name].default


def test_defaults_render_the_contracts_defaults():
    spec = sample().spec

    assert (
        durations.seconds(spec.worker.dedup_window)
        == contract.WorkerSettings.model_fields["dedup_window_seconds"].default
    )
    assert spec.collector.event_id_headers == contract.CollectorSettings.model_fields["event_id_headers"].default
    assert spec.mysql.port == contract.MySQLSettings.model_fields["port"].default


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kafka": {"bootstrapServer": "kafka:9092"}}, "bootstrapServer"),
        ({"kafka": {"bootstrapServers": "kafka"}}, "bootstrapServers"),
        ({"mysql": {"credentialsSecretRef": {"name": "other/secret"}}}, "name"),
        ({"worker": {"dedupWindow": "24"}}, "dedupWindow"),
        ({"collector": {"resources": {"requests": {"cpu": "lots"}}}}, "cpu"),
    ],
)
def test_a_spec_of_another_form_is_refused(change: dict[str, Any], field: str):
    with pytest.raises(ValidationError, match=field):
        HoldedPipeline.from_body({**body("minimal"), "spec": merged(body("minimal")["spec"], change)})


def test_metadata_and_status_of_the_server_are_no_concern():
    resource = body("minimal")
    resource["metadata"] |= {"managedFields": [], "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "b"}}

    assert HoldedPipeline.from_body({**resource, "status": {"anything": 1}}) == sample()


def test_the_resource_is_immutable():
    with pytest.raises(ValidationError, match="frozen"):
        sample().spec.suspend = True  # type: ignore[misc]


def test_quantities_may_be_numbers():
    assert sample(change={"sink": {"resources": {"limits": {"cpu": 2}}}}).spec.sink.resources.limits == {"cpu": "2"}


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)])
def test_durations(text: str, seconds: int):
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "7", "7w", "-1d", "1.5h"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="number followed by"):
        durations.seconds(text)
