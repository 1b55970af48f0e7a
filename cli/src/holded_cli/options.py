"""Options that several commands share, and the settings they override."""

import getpass
import socket
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from holded_cli.terminal import failure
from holded_contracts.settings import KafkaSettings, MySQLSettings, SchemaRegistrySettings, TopicNames
from holded_contracts.settings.common import ENV_DELIMITER, ENV_PREFIX


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


_WHERE = "MySQL"
_KAFKA = "Kafka"

Host = Annotated[str | None, typer.Option(help="MySQL host [HOLDED_MYSQL__HOST].", rich_help_panel=_WHERE)]
Port = Annotated[int | None, typer.Option(help="MySQL port [HOLDED_MYSQL__PORT].", rich_help_panel=_WHERE)]
Database = Annotated[str | None, typer.Option(help="MySQL database [HOLDED_MYSQL__DATABASE].", rich_help_panel=_WHERE)]
Username = Annotated[str | None, typer.Option(help="MySQL user [HOLDED_MYSQL__USERNAME].", rich_help_panel=_WHERE)]
Password = Annotated[
    str | None, typer.Option(help="MySQL password; rather set HOLDED_MYSQL__PASSWORD.", rich_help_panel=_WHERE)
]
BootstrapServers = Annotated[
    str | None, typer.Option(help="Kafka [HOLDED_KAFKA__BOOTSTRAP_SERVERS].", rich_help_panel=_KAFKA)
]
SchemaRegistry = Annotated[
    str | None, typer.Option(help="Schema registry [HOLDED_SCHEMA_REGISTRY__URL].", rich_help_panel=_KAFKA)
]
RawTopic = Annotated[str | None, typer.Option(help="Raw topic [HOLDED_TOPICS__RAW].", rich_help_panel=_KAFKA)]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="Tables for people or JSON for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]
Actor = Annotated[str | None, typer.Option(help="Who stands in the audit log; else user and host of this machine.")]
FirstDay = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="First UTC day of event time.")
]
LastDay = Annotated[
    datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY", help="Last UTC day, inclusive.")
]


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_DELIMITER, extra="ignore")


class _MySQL(_Environment):
    mysql: MySQLSettings


class _Kafka(_Environment):
    kafka: KafkaSettings
    topics: TopicNames = TopicNames()


class _Registry(_Environment):
    schema_registry: SchemaRegistrySettings


def mysql_settings(
    host: str | None, port: int | None, database: str | None, username: str | None, password: str | None
) -> MySQLSettings:
    """Return where gold is: HOLDED_MYSQL__HOST and the other variables that the sink reads; arguments win over them."""
    flags = _given(host=host, port=port, database=database, username=username, password=password)
    return _parsed(_MySQL, "MySQL", "HOLDED_MYSQL__…", mysql=flags).mysql


def kafka_settings(bootstrap_servers: str | None, raw_topic: str | None) -> tuple[KafkaSettings, TopicNames]:
    """Return where Kafka is and its topics: the variables that the services read; arguments win over them."""
    flags, topics = _given(bootstrap_servers=bootstrap_servers), _given(raw=raw_topic)
    settings = _parsed(_Kafka, "Kafka", "HOLDED_KAFKA__…", kafka=flags, topics=topics)
    return settings.kafka, settings.topics


def kafka_settings_or_none() -> tuple[KafkaSettings, TopicNames] | None:
    """Return where Kafka is, None where the environment does not say so."""
    try:
        settings = _Kafka()
    except ValidationError:
        return None
    return settings.kafka, settings.topics


def registry_settings(url: str | None) -> SchemaRegistrySettings:
    """Return where the schema registry is, as `kafka_settings` does."""
    flags = _given(url=url)
    return _parsed(_Registry, "the schema registry", "HOLDED_SCHEMA_REGISTRY__…", schema_registry=flags).schema_registry


def actor_name(actor: str | None) -> str:
    """Return who does it, for the audit log (255 characters)."""
    if actor is None:
        try:
            actor = f"{getpass.getuser()}@{socket.gethostname()}"
        except (KeyError, OSError):  # a user without a name, as containers have them
            actor = f"unknown@{socket.gethostname()}"
    return actor[:255]


def _given(**flags: Any) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _parsed[T: _Environment](model: type[T], what: str, variables: str, **groups: Any) -> T:
    try:
        return model(**groups)
    except ValidationError as error:
        problems = ", ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise failure(f"where {what} is, is not known: {problems} (set {variables} or the flags)") from error
