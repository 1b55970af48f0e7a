"""Fixtures of the worker's integration tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from holded_contracts.settings import (
    KafkaSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    TopicNames,
    WorkerBatch,
    WorkerSettings,
)
from tests.integration.worker.support import RawTopic, Topics, Workers


@pytest.fixture
def settings(
    kafka: KafkaSettings, schema_registry: SchemaRegistrySettings, pipeline: PipelineSettings, topics: TopicNames
) -> WorkerSettings:
    return WorkerSettings(
        pipeline=pipeline,
        kafka=kafka,
        schema_registry=schema_registry,
        topics=topics,
        batch=WorkerBatch(max_events=500),
        log_format="console",
    )


@pytest.fixture
def workers(settings: WorkerSettings, tmp_path: Path) -> Iterator[Workers]:
    pool = Workers(settings, str(tmp_path))
    yield pool
    pool.kill_all()
    for worker in pool.started:
        sys.stdout.write(f"--- {worker.log_path}\n{worker.log()[-4000:]}")  # pytest shows it with a failure


@pytest.fixture
def raw(settings: WorkerSettings) -> RawTopic:
    return RawTopic(settings)


@pytest.fixture
def state(settings: WorkerSettings) -> Topics:
    return Topics(settings, AdminClient({**settings.kafka.client_config()}))
