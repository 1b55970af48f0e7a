"""The environment is rendered and read by one model."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from holded_contracts.settings import (
    ClassificationRule,
    CollectorLimits,
    CollectorSettings,
    Cors,
    FlinkSettings,
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    QualityWeights,
    RateLimit,
    SchemaRegistrySettings,
    ServiceSettings,
    SinkSettings,
    TopicNames,
    WorkerBatch,
    WorkerSettings,
    render_env,
)

COMMON: dict[str, Any] = {
    "pipeline": PipelineSettings(name="wallet", namespace="team-a", version="abc"),
    "kafka": KafkaSettings(bootstrap_servers="kafka:9092", security_protocol="SASL_SSL", sasl_mechanism="PLAIN"),
    "schema_registry": SchemaRegistrySettings(url="http://registry:8080"),
    "topics": TopicNames(raw="a.raw"),
}


@pytest.mark.parametrize(
    "settings",
    [
        CollectorSettings(
            **COMMON,
            limits=CollectorLimits(max_depth=9),
            rate_limit=RateLimit(events_per_second=5, burst=7),
            cors=Cors(allowed_origins=("https://shop.example.com",)),
            event_id_headers=("X-Id",),
            canary_period_seconds=30,
        ),
        WorkerSettings(
            **COMMON,
            batch=WorkerBatch(max_events=7),
            classification_rules=(ClassificationRule(context="wallets", domains=("Wallet", "a,b")),),
            quality_weights=QualityWeights(validity=1),
            flink=FlinkSettings(
                jobmanager_url="http://wallet-flink:8081", state_url="s3://bucket/state", parallelism=3
            ),
        ),
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_rendered_settings_are_read_back_equal(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in render_env(settings).items():
        monkeypatch.setenv(name, value)
    assert type(settings)() == settings


def test_secrets_are_never_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SinkSettings(
        **COMMON, mysql=MySQLSettings(host="mysql", username="sink", password=SecretStr("hush"), database="gold")
    )
    rendered = render_env(settings)
    assert "hush" not in str(rendered)
    for name, value in rendered.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOLDED_MYSQL__PASSWORD", "hush")
    assert SinkSettings() == settings


@pytest.mark.parametrize("model", [CollectorSettings, WorkerSettings, SinkSettings])
def test_a_missing_setting_is_named(model: Callable[[], ServiceSettings]) -> None:
    with pytest.raises(ValueError, match="kafka"):
        model()


def test_a_silent_network_is_given_up_well_before_a_minute_is_over():
    config = KafkaSettings(bootstrap_servers="kafka:9092").client_config()
    assert int(config["socket.timeout.ms"]) <= 15_000
    assert int(config["socket.connection.setup.timeout.ms"]) + int(config["reconnect.backoff.max.ms"]) <= 10_000
