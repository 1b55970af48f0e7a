"""Fixtures of the integration tests: everything real, one container of a kind per run."""

import secrets
from collections.abc import Iterator

import httpx
import pymysql
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr

from holded_contracts.settings import (
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    TopicNames,
)
from holded_contracts.topics import Artefact, subject
from holded_contracts.wire import schema_text
from tests.support.containers import kafka_container, mysql_container, registry_container
from tests.support.migrations import migrate

PARTITIONS = 3


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaSettings]:
    with kafka_container() as (_, bootstrap):
        yield KafkaSettings(bootstrap_servers=bootstrap)


@pytest.fixture(scope="session")
def schema_registry() -> Iterator[SchemaRegistrySettings]:
    with registry_container() as (_, url):
        yield SchemaRegistrySettings(url=url)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[MySQLSettings]:
    with mysql_container() as (_, port, password):
        yield MySQLSettings(host="127.0.0.1", port=port, username="root", password=SecretStr(password))


@pytest.fixture
def mysql(mysql_server: MySQLSettings) -> Iterator[MySQLSettings]:
    """A database of this test's own, migrated."""
    settings = mysql_server.model_copy(update={"database": f"test_{secrets.token_hex(6)}"})
    connection = pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=settings.username,
        password=settings.password.get_secret_value(),
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{settings.database}`")
        migrate(settings)
        yield settings
        cursor.execute(f"DROP DATABASE `{settings.database}`")


@pytest.fixture
def pipeline() -> PipelineSettings:
    """A pipeline name of this test's own, hence consumer groups of its own."""
    return PipelineSettings(name=f"test-{secrets.token_hex(6)}", namespace="tests", version="test")


@pytest.fixture
def topics(kafka: KafkaSettings, schema_registry: SchemaRegistrySettings, pipeline: PipelineSettings) -> TopicNames:
    """Five topics of this test's own, with their subjects registered."""
    names = TopicNames(**{artefact.value: f"{pipeline.name}.{artefact.value}" for artefact in Artefact})
    admin = AdminClient({**kafka.client_config()})
    wanted = [NewTopic(getattr(names, artefact), PARTITIONS, 1) for artefact in Artefact]
    for created in admin.create_topics(wanted).values():
        created.result(timeout=30)
    for artefact in Artefact:
        answer = httpx.post(
            f"{schema_registry.url}/subjects/{subject(getattr(names, artefact))}/versions",
            json={"schema": schema_text(artefact)},
            timeout=30,
        )
        answer.raise_for_status()
    return names
