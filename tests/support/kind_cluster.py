"""A kind cluster for a program: the one that stands already, or one of its own that goes when the program ends."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def kind_cluster(default: str) -> Iterator[Path]:
    """Give the kubeconfig of the cluster HOLDED_CLUSTER, or of one with the default name; made and deleted if missing."""
    name = os.environ.get("HOLDED_CLUSTER", default)
    known = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True, check=True).stdout.split()
    environment = os.environ | {"HOLDED_CLUSTER": name, "HOLDED_KIND_CONFIG": "tests/e2e/kind-config.yaml"}
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder, "kubeconfig")
        if name not in known:
            subprocess.run(["tests/testbed/local", "cluster"], cwd=ROOT, env=environment, check=True)
        export = ["kind", "export", "kubeconfig", "--quiet", "--name", name, "--kubeconfig", str(kubeconfig)]
        subprocess.run(export, check=True)
        try:
            yield kubeconfig
        finally:
            if name not in known:
                subprocess.run(["kind", "delete", "cluster", "--quiet", "--name", name], check=True)
