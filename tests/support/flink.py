"""A real Flink session cluster with Beam's job server in containers, and our worker pool as a process beside it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
from docker.models.containers import Container

from holded_contracts.settings import FlinkSettings
from tests.support.containers import FLINK_IMAGE, LABEL, free_port
from tests.support.object_store import ObjectStore
from tests.support.waiting import wait_until

JOB_SERVER_IMAGE = "apache/beam_flink1.19_job_server:2.77.0"
HARNESS = "SdkHarness"


@dataclass
class FlinkCluster:
    """JobManager, TaskManagers of one slot each, job server and worker pool, all on this host's network."""

    folder: Path
    """For checkpoints, savepoints and logs; the containers see it under the same path."""
    state_url: str
    """Folder of checkpoints and savepoints."""
    containers: dict[str, Container] = field(default_factory=dict)
    rest: str = ""
    job_server: str = ""
    pool: subprocess.Popen[bytes] | None = None
    pool_port: int = 0

    def settings(self, **changes: Any) -> FlinkSettings:
        values = {
            "jobmanager_url": self.rest,
            "job_server": self.job_server,
            "worker_pool": f"localhost:{self.pool_port}",
            "state_url": self.state_url,
            "checkpoint_interval_ms": 1_000,
        }
        return FlinkSettings(**{**values, **changes})

    def running_jobs(self) -> list[dict[str, Any]]:
        jobs = httpx.get(f"{self.rest}/jobs/overview", timeout=5).json()["jobs"]
        return [job for job in jobs if job["state"] not in {"FAILED", "CANCELED", "FINISHED"}]

    def checkpoints(self) -> dict[str, Any]:
        """Return what Flink tells of the checkpoints of the one job that runs."""
        (job,) = self.running_jobs()
        found: dict[str, Any] = httpx.get(f"{self.rest}/jobs/{job['jid']}/checkpoints", timeout=5).json()
        return found

    def cancel_all(self) -> None:
        for job in self.running_jobs():
            httpx.patch(f"{self.rest}/jobs/{job['jid']}", params={"mode": "cancel"}, timeout=5)
        wait_until(lambda: not self.running_jobs(), timeout=60, what="no job is left")

    def kill(self, name: str) -> None:
        """End a container as a crash does, and start it again."""
        self.containers[name].kill()
        self.containers[name].start()

    def harnesses(self) -> list[psutil.Process]:
        """Return the worker processes that the pool has started."""
        assert self.pool is not None
        children = psutil.Process(self.pool.pid).children(recursive=True)
        return [child for child in children if any(HARNESS in part for part in child.cmdline())]

    def kill_harness(self) -> None:
        processes = wait_until(self.harnesses, what="a worker process")
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)

    def log(self) -> str:
        """Return the end of what each part has said."""
        texts = [(name, _news(one.logs(tail=400).decode("utf-8", "replace"))) for name, one in self.containers.items()]
        pool = self.folder / "pool.log"
        texts += [("pool", pool.read_text("utf-8", "replace")[-8000:])] if pool.exists() else []
        return "".join(f"--- {name}\n{text}" for name, text in texts)


def _news(log: str) -> str:
    """Return the lines about jobs and faults of a Flink log."""
    return "\n".join(line for line in log.splitlines() if " INFO " not in line or "Job" in line or "estor" in line)[
        -6000:
    ]


@contextmanager
def flink_cluster(
    folder: Path,
    *,
    taskmanagers: int = 1,
    pool: Callable[[FlinkCluster], AbstractContextManager[None]] | None = None,
    store: ObjectStore | None = None,
) -> Iterator[FlinkCluster]:
    """Start a cluster; everything is gone at the end.

    `pool` runs the worker pool, `worker_pool` unless given; `store` has the state, a folder unless given.
    """
    state = folder / "state"
    state.mkdir(parents=True)
    cluster = FlinkCluster(folder, store.url if store else f"file://{state}")
    client = docker.from_env()
    rpc, rest, blob, jobs, artifacts, expansion = (free_port() for _ in range(6))
    cluster.rest, cluster.job_server = f"http://127.0.0.1:{rest}", f"localhost:{jobs}"
    properties = {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.rpc.port": rpc,
        "rest.address": "localhost",
        "rest.port": rest,
        "blob.server.port": blob,
        "taskmanager.host": "localhost",
        "jobmanager.memory.process.size": "1024m",
        "taskmanager.memory.process.size": "1280m",
        "taskmanager.numberOfTaskSlots": 1,
        "state.backend.type": "hashmap",
        "state.checkpoints.dir": f"{cluster.state_url}/checkpoints",
        "state.checkpoints.num-retained": 3,
        "heartbeat.interval": 1000,
        # After a JobManager has died, its jobs keep their slots for so long.
        "heartbeat.timeout": 10_000,
        "cluster.registration.error-delay": 500,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 2_147_483_647,
        "restart-strategy.fixed-delay.delay": "200 ms",
        **(store.flink_properties if store else {}),
    }
    environment = {
        "FLINK_PROPERTIES": "\n".join(f"{key}: {value}" for key, value in properties.items()),
        **(store.credentials if store else {}),
    }
    volumes = {str(folder): {"bind": str(folder), "mode": "rw"}}
    if store:
        volumes[str(store.plugin.parent)] = {"bind": "/opt/flink/plugins/s3", "mode": "ro"}

    def run(name: str, image: str, command: list[str], **options: Any) -> None:
        cluster.containers[name] = client.containers.run(
            image,
            command,
            detach=True,
            network_mode="host",
            user="0",  # may write its configuration and our folder
            labels={LABEL: "1"},
            volumes=volumes,
            **options,
        )

    try:
        run("jobmanager", FLINK_IMAGE, ["jobmanager"], environment=environment)
        for number in range(taskmanagers):
            run(f"taskmanager-{number}", FLINK_IMAGE, ["taskmanager"], environment=environment)
        ports = [f"--job-port={jobs}", f"--artifact-port={artifacts}", f"--expansion-port={expansion}"]
        command = [f"--flink-master=localhost:{rest}", "--job-host=localhost", *ports]
        run("jobserver", JOB_SERVER_IMAGE, command)
        with (pool or worker_pool)(cluster):
            wait_until(
                lambda: httpx.get(f"{cluster.rest}/overview", timeout=2).json()["slots-total"] == taskmanagers,
                timeout=90,
                what="TaskManagers have registered",
            )
            yield cluster
    finally:
        for container in cluster.containers.values():
            container.remove(force=True, v=True)
        client.close()


def pool_environment(cluster: FlinkCluster) -> dict[str, str]:
    """Return the environment of a pool, for a port that it chooses; a pipeline's settings come with each job."""
    cluster.pool_port = free_port()
    return {
        "HOLDED_PIPELINE__NAME": "pool",
        "HOLDED_KAFKA__BOOTSTRAP_SERVERS": "localhost:9",
        "HOLDED_SCHEMA_REGISTRY__URL": "http://localhost:9",
        "HOLDED_FLINK__JOBMANAGER_URL": cluster.rest,
        "HOLDED_FLINK__STATE_URL": cluster.state_url,
        "HOLDED_FLINK__WORKER_POOL": f"localhost:{cluster.pool_port}",
        "HOLDED_POD_NAME": "taskmanager-0",
        "HOLDED_PROBES_PORT": str(free_port()),
        "HOLDED_LOG_FORMAT": "console",
    }


@contextmanager
def worker_pool(cluster: FlinkCluster) -> Iterator[None]:
    """Run the pool as a process of this checkout."""
    environment = {**os.environ, **pool_environment(cluster)}
    with (cluster.folder / "pool.log").open("wb") as log:
        cluster.pool = subprocess.Popen(
            [sys.executable, "-m", "holded_worker.flink.pool"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        cluster.pool.terminate()
        try:
            cluster.pool.wait(15)
        except subprocess.TimeoutExpired:
            cluster.pool.kill()
