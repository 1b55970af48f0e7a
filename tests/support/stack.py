"""A whole installation on kind: both charts, deployed by the steps of tests/testbed/local."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from pydantic import SecretStr

from holded_contracts.settings import MySQLSettings
from tests.support.cluster import Cluster
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
NAMESPACE = "holded"
OPERATOR_NAMESPACE = "holded-system"
KAFKA_BIN = "/opt/kafka/bin"


@dataclass(frozen=True)
class Stack:
    """Kafka, registry, MySQL and the operator on a cluster."""

    cluster: Cluster
    namespace: str = NAMESPACE

    def resource(self, name: str, **spec: Any) -> dict[str, Any]:
        """Return a HoldedPipeline for the development chart's services: the demo's, without its node port."""
        manifest: dict[str, Any] = yaml.safe_load((ROOT / "tests/data/demo-pipeline.yaml").read_text("utf-8"))
        manifest["metadata"] |= {"name": name, "namespace": self.namespace}
        manifest["spec"].pop("collector", None)
        manifest["spec"] |= spec
        return manifest

    @contextmanager
    def gold(self) -> Iterator[MySQLSettings]:
        """Forward to MySQL."""
        secret = yaml.safe_load(
            self.cluster.kubectl(
                *("get", "secret", "mysql-credentials", "-n", self.namespace, "-o"),
                "go-template={{range $key, $value := .data}}{{$key}}: {{$value | base64decode}}\n{{end}}",
            )
        )
        with self.cluster.port_forward("service/mysql", 3306, self.namespace) as port:
            yield MySQLSettings(
                host="127.0.0.1", port=port, username=secret["username"], password=SecretStr(secret["password"])
            )

    def kafka(self, tool: str, *arguments: str) -> str:
        """Run one of Kafka's own tools in the broker's pod."""
        return self.cluster.kubectl(
            *("exec", "kafka-0", "-n", self.namespace, "--", "env", "KAFKA_HEAP_OPTS=-Xmx128m"),
            *(f"{KAFKA_BIN}/{tool}.sh", "--bootstrap-server", "localhost:9092", *arguments),
        )

    def kafka_topics(self) -> list[str]:
        """Return the names of all topics."""
        return self.kafka("kafka-topics", "--list").split()

    def kafka_topic_config(self, topic: str, change: str | None = None) -> str:
        """Return a topic's own configuration, after changing it behind the operator's back."""
        entity = ("--entity-type", "topics", "--entity-name", topic)
        if change:
            self.kafka("kafka-configs", "--alter", *entity, "--add-config", change)
        return self.kafka("kafka-configs", "--describe", *entity)

    def subjects(self) -> list[str]:
        """Return the registry's subjects."""
        with self.cluster.port_forward("service/schema-registry", 8080, self.namespace) as port:
            answer = httpx.get(f"http://127.0.0.1:{port}/apis/ccompat/v7/subjects", timeout=30)
        found: list[str] = answer.raise_for_status().json()
        return found

    def reconciles(self) -> int:
        """Return how many reconciles the operator has finished."""
        target = "deployment/holded-pipeline-operator"
        with self.cluster.port_forward(target, 8080, OPERATOR_NAMESPACE) as port:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).raise_for_status().text
        return int(
            sum(float(n) for n in re.findall(r"^holded_operator_reconciles_total\{.*\} (\S+)$", text, re.MULTILINE))
        )

    def wait_for_reconciles(self, count: int) -> None:
        """Wait until the operator has reconciled this many times more."""
        goal = self.reconciles() + count
        wait_until(lambda: self.reconciles() >= goal, timeout=180, interval=2, what=f"{count} reconciles")


@dataclass(frozen=True)
class Testbed:
    """A kind cluster and the steps that make it."""

    __test__ = False  # pytest takes a class of this name for a test

    cluster: str
    kind_config: str
    """Path below the repository's root."""

    def step(self, name: str) -> None:
        """Run a step of tests/testbed/local for this cluster."""
        environment = os.environ | {"HOLDED_CLUSTER": self.cluster, "HOLDED_KIND_CONFIG": self.kind_config}
        subprocess.run(["tests/testbed/local", name], cwd=ROOT, env=environment, check=True, timeout=1500)

    def stack(self, kubeconfig: Path) -> Stack:
        """Return the installation; its kubeconfig is written to a file of its own."""
        command = ["kind", "export", "kubeconfig", "--name", self.cluster, "--kubeconfig", str(kubeconfig), "--quiet"]
        subprocess.run(command, check=True)
        return Stack(Cluster(self.cluster, kubeconfig))
