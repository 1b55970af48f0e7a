"""Fixtures of the Flink runner's tests: one session cluster for all, a supervisor for each pipeline."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
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
from holded_contracts.settings.render import render_env
from tests.integration.worker.support import RawTopic, Topics
from tests.support.containers import free_port
from tests.support.flink import FlinkCluster, flink_cluster
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    with flink_cluster(tmp_path_factory.mktemp("flink")) as started:
        yield started


@dataclass
class Supervised:
    """A supervisor process of a pipeline."""

    settings: WorkerSettings
    process: subprocess.Popen[bytes]
    log_path: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.settings.probes_port}{path}", timeout=5)

    def ready(self) -> bool:
        return self.get("/ready").status_code == 200

    def job(self) -> dict[str, Any]:
        document: dict[str, Any] = self.get("/job").json()
        return document

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


@dataclass
class Flink:
    """Starts supervisors of a test's pipeline."""

    cluster: FlinkCluster
    settings: WorkerSettings
    folder: Path
    started: list[Supervised] = field(default_factory=list)

    def start(self, **changes: Any) -> Supervised:
        settings = self.settings.model_copy(
            update={"flink": self.cluster.settings(), "probes_port": free_port(), **changes}
        )
        path = self.folder / f"supervisor-{len(self.started)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "holded_worker.flink.submit"],
                env={**os.environ, **render_env(settings)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        supervised = Supervised(settings, process, path)
        self.started.append(supervised)
        return supervised

    def start_ready(self, **changes: Any) -> Supervised:
        supervised = self.start(**changes)
        wait_until(supervised.ready, timeout=150, what="the job runs")
        return supervised

    def end(self) -> None:
        for supervised in self.started:
            with suppress(ProcessLookupError):
                supervised.process.kill()
                supervised.process.wait(10)
        self.cluster.cancel_all()


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
def flink(cluster: FlinkCluster, settings: WorkerSettings, tmp_path: Path) -> Iterator[Flink]:
    pool = Flink(cluster, settings, tmp_path)
    yield pool
    pool.end()
    for supervised in pool.started:
        sys.stdout.write(f"--- {supervised.log_path}\n{supervised.log_path.read_text('utf-8')[-4000:]}")
    sys.stdout.write(cluster.log())  # pytest shows it with a failure


@pytest.fixture
def raw(settings: WorkerSettings) -> RawTopic:
    return RawTopic(settings)


@pytest.fixture
def state(settings: WorkerSettings) -> Topics:
    return Topics(settings, AdminClient({**settings.kafka.client_config()}))
