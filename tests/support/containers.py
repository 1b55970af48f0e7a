"""Real Kafka, registry and MySQL for integration tests: started once a run, on 127.0.0.1, removed at its end."""

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

import docker
import httpx
import pymysql
from confluent_kafka.admin import AdminClient
from docker.models.containers import Container

from tests.support.waiting import wait_until

KAFKA_IMAGE = "apache/kafka:4.1.1"
REGISTRY_IMAGE = "apicurio/apicurio-registry:3.3.3"
MYSQL_IMAGE = "mysql:9.7"
FLINK_IMAGE = "flink:1.19.3-java17"
LABEL = "holded-integration-test"


_PORTS = range(15_000, 30_000)
"""Below those that Linux gives to outgoing connections: one of the many clients could take a port before its server."""
_given: set[int] = set()


def free_port() -> int:
    """Return a port that is free now, and that this process has not asked for before."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            if port not in _given:
                _given.add(port)
                return port


@contextmanager
def container(image: str, *, ports: dict[str, int], **options: Any) -> Iterator[Container]:
    """Run a container with its ports on 127.0.0.1; it is removed whatever happens."""
    client = docker.from_env()
    started = client.containers.run(
        image,
        detach=True,
        labels={LABEL: "1"},
        ports={port: ("127.0.0.1", host) for port, host in ports.items()},
        **options,
    )
    try:
        yield started
    finally:
        started.remove(force=True, v=True)
        client.close()


@contextmanager
def kafka_container(
    listeners: Mapping[str, tuple[str, int]] = MappingProxyType({}),
    settings: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> Iterator[tuple[Container, str]]:
    """Run a single-node Kafka; yields the container and its bootstrap address, which survives a restart.

    `listeners` are further ones, by name with protocol and port; `settings` are variables of the image, `options` the
    container's.
    """
    port = free_port()
    places = {"PLAINTEXT": ("PLAINTEXT", port), **listeners}
    protocols = [f"{name}:{protocol}" for name, (protocol, _) in places.items()]
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": ",".join([*(f"{name}://:{at}" for name, (_, at) in places.items()), "CONTROLLER://:9093"]),
        "KAFKA_ADVERTISED_LISTENERS": ",".join(f"{name}://127.0.0.1:{at}" for name, (_, at) in places.items()),
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": ",".join(["CONTROLLER:PLAINTEXT", *protocols]),
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "5",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "5",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_HEAP_OPTS": "-Xmx512m -Xms256m",
        **settings,
    }
    ports = {f"{at}/tcp": at for _, at in places.values()}
    with container(KAFKA_IMAGE, ports=ports, environment=environment, **options) as started:
        bootstrap = f"127.0.0.1:{port}"
        admin = AdminClient({"bootstrap.servers": bootstrap, "logger": None} | {"log_level": 0})
        wait_until(lambda: admin.list_topics(timeout=2).brokers, timeout=180, what="Kafka answers")
        yield started, bootstrap


@contextmanager
def registry_container() -> Iterator[tuple[Container, str]]:
    """Run a schema registry in memory; yields the container and the URL of its Confluent API."""
    port = free_port()
    with container(REGISTRY_IMAGE, ports={"8080/tcp": port}) as started:
        url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        wait_until(lambda: httpx.get(f"{url}/subjects", timeout=2).is_success, timeout=120, what="registry answers")
        yield started, url


@contextmanager
def mysql_container(*flags: str, **options: Any) -> Iterator[tuple[Container, int, str]]:
    """Run MySQL; yields the container, its port and root's password. `options` are the container's."""
    port = free_port()
    password = secrets.token_urlsafe(12)
    command = ["mysqld", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2", *flags]
    environment = {"MYSQL_ROOT_PASSWORD": password}
    with container(
        MYSQL_IMAGE, ports={"3306/tcp": port}, environment=environment, command=command, **options
    ) as started:

        def answers() -> bool:
            pymysql.connect(host="127.0.0.1", port=port, user="root", password=password).close()
            return True

        wait_until(answers, timeout=120, what="MySQL answers")
        yield started, port, password
