"""What a scenario can do to an installation, and what it can see of it."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import yaml
from pydantic import SecretStr

from holded_contracts.settings import MySQLSettings
from holded_contracts.topics import worker_group
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired.settings import worker_settings
from holded_operator.desired.worker import rules_digest
from holded_worker.domain.process import Rules
from tests.chaos.traffic import Traffic
from tests.support import nodes
from tests.support.cluster import Pipeline
from tests.support.gold import gold, rows
from tests.support.stack import OPERATOR_NAMESPACE, ROOT, Stack
from tests.support.waiting import wait_until

COMPONENTS = ("collector", "worker", "sink")
RELEASE = "holded-pipeline"
EMBEDDED: dict[str, Any] = {"runner": "Embedded", "replicas": 2, "flink": None, "resources": None}
ON_FLINK: dict[str, Any] = {
    "runner": "Flink",
    "replicas": None,
    "flink": {
        "taskManagers": 2,
        "checkpointIntervalSeconds": 5,
        "stateBackend": "rocksdb",
        "state": {"size": "1Gi"},
    },
    # All of Flink's pods use one volume, so they have to fit one node of two cores.
    "resources": {"requests": {"cpu": "100m"}},
}
"""The worker, as a patch: two pods, or two TaskManagers with their state on disk."""
MYSQL_NODE_PORT = 30306
"""Of charts/holded-dev/values-kind.yaml."""


@dataclass(frozen=True)
class World:
    """One pipeline in an installation, with traffic while a scenario runs."""

    stack: Stack
    name: str = "chaos"
    node_port: int = 30801
    hold_seconds: float = 60.0
    """How long a fault that takes something away lasts."""
    chance: Random = field(default_factory=lambda: Random(8))
    known_rules: dict[str, Rules] = field(default_factory=dict)
    """Rules that made rows of this scenario."""
    running: Traffic | None = None

    # The installation

    @property
    def pipeline(self) -> Pipeline:
        """The resource."""
        return Pipeline(self.stack.cluster, self.name, self.stack.namespace)

    @property
    def traffic(self) -> Traffic:
        """What is sent while the scenario runs."""
        assert self.running is not None
        return self.running

    @property
    def first_node(self) -> str:
        """The node that no scenario stops; it has Kafka, registry and MySQL."""
        return f"{self.stack.cluster.name}-control-plane"

    @property
    def url(self) -> str:
        """Base URL of the collector's Service by its node port."""
        return f"http://{nodes.address(self.first_node)}:{self.node_port}"

    @property
    def database(self) -> str:
        """Database of the pipeline."""
        return self.name

    @property
    def raw_topic(self) -> str:
        """Name of the raw topic."""
        return f"{self.name}.raw"

    def gold(self) -> MySQLSettings:
        """Return how to reach gold by MySQL's node port, with the credentials of the moment."""
        secret = self.secret(f"{self.name}-mysql")
        return MySQLSettings(
            host=nodes.address(self.first_node),
            port=MYSQL_NODE_PORT,
            database=self.database,
            username=secret["username"],
            password=SecretStr(secret["password"]),
        )

    def secret(self, name: str) -> dict[str, str]:
        """Return the values of a Secret."""
        template = (
            'go-template={{range $key, $value := .data}}{{$key}}: {{$value | base64decode | printf "%q"}}\n{{end}}'
        )
        text = self.stack.cluster.kubectl("get", "secret", name, "-n", self.stack.namespace, "-o", template)
        found: dict[str, str] = yaml.safe_load(text)
        return found

    def install(self, **spec: Any) -> None:
        """Make database user, Secret and pipeline, and wait until it is Ready."""
        self.prepare()
        self.stack.cluster.apply(self.manifest(**spec))
        self.pipeline.wait_ready()

    def prepare(self) -> None:
        """Make database user and Secret."""
        password = secrets.token_hex(12)
        self.set_secret(password)
        self.mysql_root(f"CREATE USER IF NOT EXISTS '{self.name}'@'%'")
        self.mysql_root(f"ALTER USER '{self.name}'@'%' IDENTIFIED BY '{password}'")
        self.mysql_root(f"GRANT ALL ON `{self.database}`.* TO '{self.name}'@'%'")

    def remove(self) -> None:
        """Delete the pipeline with all that it has outside Kubernetes."""
        self.pipeline.patch({"deletionPolicy": {"topics": "Delete", "schemas": "Delete", "database": "Delete"}})
        self.pipeline.wait_ready()
        kubectl = self.stack.cluster.kubectl
        kubectl("delete", "hp", self.name, "-n", self.stack.namespace, "--timeout=150s", timeout=180)

    def another(self, name: str) -> "World":
        """Return a world for another pipeline of this installation."""
        return replace(self, name=name, node_port=self.node_port + 1)

    def manifest(self, **spec: Any) -> dict[str, Any]:
        """Return the resource, with topics, database and user of its own."""
        topics: dict[str, Any] = {
            part: {
                "name": f"{self.name}.{part.lower()}",
                "partitions": 3 if part in ("raw", "silver", "analytics") else 1,
            }
            for part in ("raw", "silver", "deadLetter", "analytics", "ledger")
        }
        mysql = {
            "host": f"mysql.{self.stack.namespace}.svc",
            "database": self.database,
            "credentialsSecretRef": {"name": f"{self.name}-mysql"},
        }
        collector = {"replicas": 2, "service": {"type": "NodePort", "nodePort": self.node_port}}
        defaults = {
            "collector": collector,
            "worker": {"replicas": EMBEDDED["replicas"]},
            "topics": topics,
            "mysql": mysql,
        }
        return self.stack.resource(self.name, **(defaults | spec))

    def set_secret(self, password: str) -> None:
        """Write the database user's credentials."""
        self.stack.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"{self.name}-mysql", "namespace": self.stack.namespace},
                "stringData": {"username": self.name, "password": password},
            }
        )

    # Seeing

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a component of the pipeline."""
        return self.pipeline.pods(component)

    def operator(self) -> dict[str, Any]:
        """Return the operator's pod."""
        selector = "app.kubernetes.io/component=operator"
        (pod,) = self.stack.cluster.list("pods", OPERATOR_NAMESPACE, selector)
        return pod

    def system(self, name: str) -> dict[str, Any]:
        """Return the pod of kafka, mysql or schema-registry."""
        selector = f"app.kubernetes.io/instance=holded-dev,app.kubernetes.io/component={name}"
        found = self.stack.cluster.list("pods", self.stack.namespace, selector)
        assert found, f"no pod of {name}"
        return found[0]

    def refused_by_sink(self) -> int:
        """Return how many dead letters the sink itself has made; those of the worker go on arriving while they can."""
        return int(rows(self.gold(), "SELECT COUNT(*) FROM events_dead_letter WHERE stage = 'sink'")[0][0])

    def raw_offsets(self) -> dict[int, tuple[int, int]]:
        """Return the worker group's committed offset and the end of each raw partition."""
        group = worker_group(self.stack.namespace, self.name)
        table = self.stack.kafka("kafka-consumer-groups", "--describe", "--group", group)
        lines = [line.split() for line in table.splitlines() if line.split()[1:2] == [self.raw_topic]]
        return {int(line[2]): (0 if line[3] == "-" else int(line[3]), int(line[4])) for line in lines}

    def is_ready(self) -> bool:
        """Tell whether the newest generation of the pipeline is Ready."""
        found = self.pipeline.read()
        status = found.get("status", {})
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return bool(current and conditions.get("Ready") == "True")

    def steps(self) -> dict[str, int]:
        """Return the operator's Events about the pipeline, with how often each was told."""
        events = self.stack.cluster.list("events", self.stack.namespace)
        ours = [event for event in events if event["involvedObject"].get("name") == self.name]
        return {event["metadata"]["uid"]: event.get("count") or 1 for event in ours}

    def image_tags(self) -> dict[str, str]:
        """Return the tags of our images that the release has, by name."""
        values = yaml.safe_load(
            self.stack.cluster.helm("get", "values", RELEASE, "-n", OPERATOR_NAMESPACE, "-o", "yaml")
        )
        return {name: image["tag"] for name, image in values["images"].items()}

    def volume(self, claim: str) -> str:
        """Return the folder on the first node that is a claim's volume."""
        name = self.stack.cluster.get("pvc", claim, self.stack.namespace)["spec"]["volumeName"]
        spec = self.stack.cluster.get("pv", name, self.stack.namespace)["spec"]
        path: str = (spec.get("hostPath") or spec["local"])["path"]
        return path

    def megabytes(self, path: str) -> int:
        """Return what a folder on the first node takes, in MiB."""
        return int(nodes.on_node(self.first_node, "du", "-sm", path).split()[0])

    def rules(self) -> dict[str, Rules]:
        """Return the rules by which the worker works now, by their digest, which is the end of each row's version."""
        pipeline = HoldedPipeline.model_validate(self.read())
        return {rules_digest(pipeline.spec.worker): Rules.of(worker_settings(pipeline, version=""))}

    # Doing

    def hold(self, seconds: float | None = None) -> None:
        """Let a fault last."""
        time.sleep(self.hold_seconds if seconds is None else seconds)

    def patch(self, spec: dict[str, Any]) -> None:
        """Edit the resource and wait until it is Ready."""
        self.pipeline.patch(spec)
        self.pipeline.wait_ready()

    def run_worker(self, worker: dict[str, Any]) -> None:
        """Put the worker on a runner, unless it is there, and wait until it is Ready."""
        if self.read()["spec"]["worker"].get("runner", EMBEDDED["runner"]) != worker["runner"]:
            self.patch({"worker": worker})

    def flink_job(self) -> dict[str, Any]:
        """Return what the resource's status tells of the job on Flink."""
        found: dict[str, Any] = self.pipeline.read().get("status", {}).get("flink") or {}
        return found

    def note_rules(self) -> None:
        """Remember the rules of the moment: rows that were made by them are right."""
        self.known_rules.update(self.rules())

    def upgrade(self, tags: dict[str, str]) -> None:
        """Upgrade the release to images of these tags, all of which have the content of the release's images."""
        cluster = self.stack.cluster
        for name, tag in self.image_tags().items():
            repository = f"docker.io/holded-pipeline/{name}"
            for node in nodes.of_cluster(cluster.name):
                tagging = ("images", "tag", "--force", f"{repository}:{tag}", f"{repository}:{tags[name]}")
                nodes.on_node(node, "ctr", "--namespace", "k8s.io", *tagging)
        options = [f"--set=images.{name}.tag={tag}" for name, tag in tags.items()]
        chart = str(ROOT / "charts" / "holded-pipeline")
        cluster.helm("upgrade", RELEASE, chart, "-n", OPERATOR_NAMESPACE, "--reuse-values", "--wait", *options)
        wait_until(lambda: self._runs(tags), timeout=180, interval=1, what=f"all pods run {tags}")
        self.pipeline.wait_ready()

    def _runs(self, tags: dict[str, str]) -> bool:
        return all(
            {image.rpartition(":")[2] for pod in self.pods(part) for image in _our_images(pod)} == {tags[part]}
            for part in COMPONENTS
        )

    def sigkill(self, pod: dict[str, Any]) -> None:
        """Kill a pod's process where it runs."""
        nodes.sigkill(pod)

    def replace(self, pod: dict[str, Any]) -> None:
        """Kill a pod so that a new one comes at once: a container killed often is started later and later."""
        metadata = pod["metadata"]
        arguments = ("-n", metadata["namespace"], "--grace-period=0", "--force", "--ignore-not-found")
        self.stack.cluster.kubectl("delete", "pod", metadata["name"], *arguments)

    def scale_system(self, workload: str, replicas: int) -> None:
        """Scale statefulset/kafka, statefulset/mysql or deployment/schema-registry and wait until that is done."""
        namespace = ("-n", self.stack.namespace)
        self.stack.cluster.kubectl("scale", workload, f"--replicas={replicas}", *namespace)
        kind, _, name = workload.partition("/")

        def done() -> bool:
            status = self.stack.cluster.get(kind, name, self.stack.namespace)["status"]
            return bool(status.get("replicas", 0) == status.get("readyReplicas", 0) == replicas)

        wait_until(done, timeout=180, interval=0.5, what=f"{workload} has {replicas} ready pods")

    def wait_back(self, system: str, killed: dict[str, Any]) -> None:
        """Wait until the system is ready again after its pod, or the process in it, was killed."""

        def life(pod: dict[str, Any]) -> tuple[str, int]:
            return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]

        def back() -> bool:
            pod = self.system(system)
            return life(pod) != life(killed) and bool(pod["status"]["containerStatuses"][0]["ready"])

        wait_until(back, timeout=180, interval=0.5, what=f"{system} is back")

    def mysql_root(self, statement: str) -> str:
        """Run a statement as root on the server."""
        password = self.secret("mysql-root")["password"]
        return self.stack.cluster.kubectl(
            *("exec", "-i", "mysql-0", "-n", self.stack.namespace, "--", "env", f"MYSQL_PWD={password}"),
            *("mysql", "--user=root", "--batch", "--skip-column-names"),
            stdin=statement,
        ).strip()

    @contextmanager
    def without(self, system: str) -> Iterator[None]:
        """Cut Kafka, the registry or MySQL off the network, without a word to those who wait for an answer."""
        with nodes.cut_off(self.system(system)):
            yield

    def gold_position(self) -> list[tuple[Any, ...]]:
        """Return the sink's positions as MySQL has them."""
        statement = "SELECT topic_id, `partition`, next_offset, counted_offset FROM sink_offsets ORDER BY 1, 2"
        return rows(self.gold(), statement)

    def checksums(self) -> dict[str, Any]:
        """Return a checksum of the rows of each table that replaying must leave as it is."""
        tables = (
            *("events", "event_ids", "events_dead_letter", "events_summary_hourly", "events_summary_daily"),
            "events_analytics",
        )
        found = rows(self.gold(), f"CHECKSUM TABLE {', '.join(tables)}")
        # Canaries go on meanwhile: what counts them is compared without them.
        sums = (
            "SELECT SUM(silver) - (SELECT canaries FROM ledger), SUM(dead_letters), SUM(duplicates) FROM worker_ledger"
        )
        return {str(name): checksum for name, checksum in found} | {
            "worker_ledger": rows(self.gold(), sums),
            "ledger": rows(self.gold(), "SELECT processed, gold, dead_letters, duplicates FROM ledger"),
        }

    def read(self) -> dict[str, Any]:
        """Return the resource without its status, as the operator's model reads it."""
        found = self.pipeline.read()
        return {key: found[key] for key in ("apiVersion", "kind", "metadata", "spec")}


def _our_images(pod: dict[str, Any]) -> list[str]:
    return [each["image"] for each in pod["spec"]["containers"] if "holded-pipeline/" in each["image"]]


def execute(settings: MySQLSettings, statement: str, *arguments: Any) -> int:
    """Run a statement that writes gold; returns the rows that it changed."""
    with gold(settings) as cursor:
        return int(cursor.execute(statement, arguments))
