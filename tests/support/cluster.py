"""A kind cluster as the end-to-end tests see it: through kubectl, port-forwards and nothing else."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.containers import free_port
from tests.support.waiting import wait_until


class KubectlError(AssertionError):
    """kubectl answered with an error; the text is what a user would read."""


@dataclass(frozen=True)
class Cluster:
    """One kind cluster, addressed by its own kubeconfig: no other context can be reached by mistake."""

    name: str
    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl and return what it printed."""
        access = ("--kubeconfig", str(self.kubeconfig), "--context", f"kind-{self.name}")
        return self._run("kubectl", *access, *arguments, stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 300) -> str:
        """Run helm and return what it printed."""
        access = ("--kubeconfig", str(self.kubeconfig), "--kube-context", f"kind-{self.name}")
        return self._run("helm", *access, *arguments, timeout=timeout)

    def _run(self, *command: str, timeout: float, stdin: str | None = None) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests as a user would."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """Return one object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def list(self, kinds: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Return all objects of some kinds (comma separated)."""
        options = ["-l", selector] if selector else []
        answer = json.loads(self.kubectl("get", kinds, "-n", namespace, *options, "-o", "json"))
        found: list[dict[str, Any]] = answer["items"]
        return found

    def sigkill(self, command: str) -> None:
        """Kill the process with this command on the node, as the kernel does when memory runs out."""
        node = f"{self.name}-control-plane"
        subprocess.run(["docker", "exec", node, "pkill", "-KILL", "-f", command], check=True, timeout=30)

    @contextmanager
    def port_forward(self, target: str, port: int, namespace: str) -> Iterator[int]:
        """Forward a port of 127.0.0.1 to a Service or pod; the forward is restarted if the pod behind it goes."""
        local = free_port()
        command = [
            *("kubectl", "--kubeconfig", str(self.kubeconfig), "--context", f"kind-{self.name}", "-n", namespace),
            *("port-forward", target, f"{local}:{port}", "--address", "127.0.0.1"),
        ]
        # A forward dies with its pod: the loop gives tests that kill pods the same client a user would write.
        process = subprocess.Popen(
            ["bash", "-c", 'trap "kill %1; exit" TERM; while true; do "$@" & wait; done', "forward", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: _listens(local), timeout=60, what=f"port-forward to {target}")
            yield local
        finally:
            process.terminate()
            process.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


@dataclass(frozen=True)
class Pipeline:
    """One HoldedPipeline in a cluster."""

    cluster: Cluster
    name: str
    namespace: str

    def read(self) -> dict[str, Any]:
        """Return the resource."""
        return self.cluster.get("holdedpipeline", self.name, self.namespace)

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition, empty while there is none."""
        conditions = self.read().get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def patch(self, spec: dict[str, Any]) -> None:
        """Merge-patch the spec."""
        patch = json.dumps({"spec": spec})
        self.cluster.kubectl(
            "patch", "hp", self.name, "-n", self.namespace, "--type=merge", "--patch-file=/dev/stdin", stdin=patch
        )

    def wait_ready(self, timeout: float = 180) -> dict[str, Any]:
        """Wait until the newest generation is Ready; return the resource."""

        def ready() -> dict[str, Any] | None:
            found = self.read()
            status = found.get("status", {})
            current = status.get("observedGeneration") == found["metadata"]["generation"]
            state = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
            if current and state.get("Ready") == "True":
                return found
            raise AssertionError(json.dumps(status)[:1500])

        result = wait_until(ready, timeout=timeout, interval=0.5, what=f"{self.namespace}/{self.name} is Ready")
        assert result is not None
        return result

    def wait_condition(self, kind: str, status: str, timeout: float = 120) -> dict[str, Any]:
        """Wait until a condition has this status; return it."""

        def reached() -> dict[str, Any] | None:
            found = self.condition(kind)
            if found.get("status") == status:
                return found
            raise AssertionError(str(found))

        result = wait_until(reached, timeout=timeout, interval=0.5, what=f"{kind} is {status}")
        assert result is not None
        return result

    def owned(self) -> list[dict[str, Any]]:
        """Return every object that belongs to this pipeline."""
        kinds = (
            "deployments,statefulsets,services,configmaps,pods,networkpolicies,"
            "poddisruptionbudgets,horizontalpodautoscalers"
        )
        return self.cluster.list(kinds, self.namespace, f"app.kubernetes.io/instance={self.name}")

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of one component."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return self.cluster.list("pods", self.namespace, selector)

    @contextmanager
    def collector(self) -> Iterator[str]:
        """Forward to the collector's Service; yields its URL."""
        with self.cluster.port_forward(f"service/{self.name}-collector", 8000, self.namespace) as port:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: httpx.get(f"{url}/ready").is_success, timeout=60, what="collector is ready")
            yield url
