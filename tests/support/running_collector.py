"""The collector as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from holded_contracts.settings import CollectorSettings, render_env
from tests.support.waiting import wait_until


class RunningCollector:
    """One process; `url` is its base URL."""

    def __init__(self, settings: CollectorSettings, log_file: Path) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.port}"
        self.log_file = log_file
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLDED_")}
        with log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "holded_collector"],
                env=environment | render_env(settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_alive(self) -> None:
        wait_until(lambda: self.get("/health").is_success, timeout=30, what="collector is alive")

    def wait_ready(self) -> None:
        wait_until(lambda: self.get("/ready").is_success, timeout=30, what=f"ready; log: {self.log_file.read_text()}")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=5)

    def post(self, content: bytes, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}/collect", content=content, headers=headers, timeout=30)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=self.settings.shutdown_grace_seconds + 5)
        finally:
            self.process.kill()
