"""Fixtures of the integration tests: everything real, one container of a kind per run."""

import secrets
from collections.abc import Iterator

import pymysql
import pytest
from pydantic import SecretStr

from holded_contracts.settings import (
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    TopicNames,
)
from tests.support.containers import kafka_container, mysql_container, registry_container
from tests.support.migrations import migrate
from tests.support.topics import create_topics

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
    return create_topics(kafka, schema_registry, pipeline.name, partitions=PARTITIONS)
