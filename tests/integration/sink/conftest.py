import secrets
from collections.abc import Callable, Iterator

import pymysql
import pytest
from pydantic import SecretStr

from holded_contracts.settings import (
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    SinkBatch,
    SinkSettings,
    TopicNames,
)
from tests.integration.sink.harness import GoldView, Stream
from tests.support.database_users import create_user


@pytest.fixture
def sink_user(mysql_server: MySQLSettings, mysql: MySQLSettings) -> Iterator[MySQLSettings]:
    """A user with the rights that docs/guides/database-users.md promises to be enough."""
    user = f"sink_{secrets.token_hex(6)}"
    connection = pymysql.connect(
        host=mysql_server.host,
        port=mysql_server.port,
        user=mysql_server.username,
        password=mysql_server.password.get_secret_value(),
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        password = create_user(cursor, "sink", user, mysql.database, tls=False)
        yield mysql.model_copy(update={"username": user, "password": SecretStr(password)})
        cursor.execute(f"DROP USER {user}")


@pytest.fixture
def settings_of(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    sink_user: MySQLSettings,
    topics: TopicNames,
    pipeline: PipelineSettings,
) -> Callable[..., SinkSettings]:
    """Settings of one sink pod."""

    def build(pod: str = "sink-0", max_rows: int = 500, **changes: object) -> SinkSettings:
        values: dict[str, object] = {
            "pipeline": pipeline,
            "kafka": kafka,
            "schema_registry": schema_registry,
            "topics": topics,
            "mysql": sink_user,
            "pod_name": f"{pipeline.name}-{pod}",
            "batch": SinkBatch(max_rows=max_rows, max_wait_ms=50),
            **changes,
        }
        return SinkSettings(**values)  # type: ignore[arg-type]

    return build


@pytest.fixture
def settings(settings_of: Callable[..., SinkSettings]) -> SinkSettings:
    return settings_of()


@pytest.fixture
def stream(settings: SinkSettings) -> Stream:
    return Stream(settings)


@pytest.fixture
def gold(mysql: MySQLSettings) -> GoldView:
    return GoldView(mysql)
