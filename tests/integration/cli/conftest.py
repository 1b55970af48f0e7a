"""The services as processes, as their images start them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holded_contracts.settings import (
    CollectorSettings,
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    ServiceSettings,
    SinkSettings,
    TopicNames,
    WorkerSettings,
    render_env,
)
from tests.support.containers import free_port
from tests.support.waiting import wait_until


@contextmanager
def running(program: str, settings: ServiceSettings, port: int, **extra: str) -> Iterator[str]:
    """Run a console script until its /ready says yes; yields its URL."""
    path = Path(sys.executable).with_name(program)
    process = subprocess.Popen([path], env=os.environ | render_env(settings) | extra)
    url = f"http://127.0.0.1:{port}"

    def ready_or_dead() -> bool:
        return process.poll() is not None or httpx.get(f"{url}/ready").is_success

    try:
        wait_until(ready_or_dead, timeout=90, what=f"{program} is ready")
        assert process.poll() is None, f"{program} ended with {process.returncode}"
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def common(
    pipeline: PipelineSettings, kafka: KafkaSettings, schema_registry: SchemaRegistrySettings, topics: TopicNames
) -> dict[str, Any]:
    """Settings that all services of a pipeline share."""
    return {"pipeline": pipeline, "kafka": kafka, "schema_registry": schema_registry, "topics": topics}


@pytest.fixture
def collector(common: dict[str, Any]) -> Iterator[str]:
    """Base URL of a collector."""
    port = free_port()
    with running("holded-collector", CollectorSettings(**common, port=port), port) as url:
        yield url


@pytest.fixture
def worker_and_sink(common: dict[str, Any], mysql: MySQLSettings) -> Iterator[MySQLSettings]:
    """A worker and a sink that fill the database which is yielded."""
    pipeline = common["pipeline"]
    ports = free_port(), free_port()
    worker = WorkerSettings(**common, pod_name=f"{pipeline.name}-worker-0", probes_port=ports[0])
    sink = SinkSettings(**common, mysql=mysql, pod_name=f"{pipeline.name}-sink-0", probes_port=ports[1])
    password = {"HOLDED_MYSQL__PASSWORD": mysql.password.get_secret_value()}
    with ExitStack() as stack:
        stack.enter_context(running("holded-worker", worker, ports[0]))
        stack.enter_context(running("holded-sink", sink, ports[1], **password))
        yield mysql


@pytest.fixture
def mysql_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[MySQLSettings], None]:
    """Point `holded report` to a database, as a user would."""

    def point(mysql: MySQLSettings) -> None:
        monkeypatch.setenv("HOLDED_MYSQL__HOST", mysql.host)
        monkeypatch.setenv("HOLDED_MYSQL__PORT", str(mysql.port))
        monkeypatch.setenv("HOLDED_MYSQL__DATABASE", mysql.database)
        monkeypatch.setenv("HOLDED_MYSQL__USERNAME", mysql.username)
        monkeypatch.setenv("HOLDED_MYSQL__PASSWORD", mysql.password.get_secret_value())

    return point
