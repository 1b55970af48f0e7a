"""A rendered pod as a process of this machine: its environment, its mounted Secrets, its program, nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.containers import free_port
from tests.support.mounted_secret import mount
from tests.support.waiting import wait_until

type Secrets = Mapping[str, Mapping[str, bytes]]


class Pod:
    """One container, which finds its files under `root` instead of /."""

    def __init__(self, workload: Any, config_maps: Mapping[str, Any], secrets: Secrets, root: Path) -> None:
        [self._container] = workload["spec"]["template"]["spec"]["containers"]
        self._volumes = {volume["name"]: volume for volume in workload["spec"]["template"]["spec"]["volumes"]}
        self._config_maps, self._secrets, self._root = config_maps, secrets, root
        self.name = f"{workload['metadata']['name']}-0"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._log = root / "log"
        for mounted in self._container["volumeMounts"]:
            files = self._files(self._volumes[mounted["name"]])
            if files:
                mount(self._inside(mounted["mountPath"]), "first", **files)

    def environment(self) -> dict[str, str]:
        """Return the variables as the kubelet sets them, with the paths of mounts as they are on this machine."""
        variables: dict[str, str] = {}
        for source in self._container["envFrom"]:
            variables |= self._config_maps[source["configMapRef"]["name"]]["data"]
        for entry in self._container["env"]:
            origin = entry["valueFrom"]
            if "secretKeyRef" in origin:
                key = origin["secretKeyRef"]
                variables[entry["name"]] = self._secrets[key["name"]][key["key"]].decode()
            else:
                assert origin["fieldRef"]["fieldPath"] == "metadata.name"
                variables[entry["name"]] = self.name
        folders = tuple(f"{mounted['mountPath']}/" for mounted in self._container["volumeMounts"])
        return {
            name: str(self._inside(value)) if value.startswith(folders) else value for name, value in variables.items()
        }

    @contextmanager
    def running(self) -> Iterator["Pod"]:
        """Run it for the time of a block; only its port differs from what is rendered: there is one network here."""
        program = Path(sys.executable).with_name(f"holded-{self._container['name']}")
        outside = {name: value for name, value in os.environ.items() if not name.startswith("HOLDED_")}
        ports = {"HOLDED_PORT": str(self._port), "HOLDED_PROBES_PORT": str(self._port)}
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [program], env=outside | self.environment() | ports, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield self
            assert process.poll() is None, f"{self.name} ended with {process.returncode}: {self.log()}"
        finally:
            process.kill()
            process.wait()

    def wait_ready(self) -> None:
        wait_until(lambda: self._ready().is_success, timeout=180, what=f"{self.name} is ready")

    def wait_not_ready(self, because: str) -> str:
        """Wait until /ready says no for a reason with these words, and return it."""

        def reason() -> str:
            answer = self._ready()
            assert answer.status_code == 503
            return answer.text if because in answer.text else ""

        return wait_until(reason, timeout=180, what=f"{self.name} is not ready: {because}")

    def log(self) -> str:
        return self._log.read_text()

    def _ready(self) -> httpx.Response:
        return httpx.get(f"{self.url}/ready", timeout=5)

    def _files(self, volume: Any) -> dict[str, str]:
        return {
            item["path"]: self._secrets[source["secret"]["name"]][item["key"]].decode()
            for source in volume.get("projected", {}).get("sources", ())
            for item in source["secret"]["items"]
        }

    def _inside(self, path: str) -> Path:
        return self._root / path.removeprefix("/")
