"""The charts as `helm template` renders them, without a cluster."""

import copy
import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHARTS = Path(__file__).parents[3] / "charts"
KUBERNETES = "1.34.0"

type Manifests = list[dict[str, Any]]


@pytest.fixture(scope="session")
def render() -> Callable[..., Manifests]:
    """Render a chart with values given as in `--set`; a failure raises with Helm's message."""

    @functools.cache
    def once(chart: str, settings: tuple[str, ...], values: str | None) -> Manifests:
        command = ["helm", "template", chart, str(CHARTS / chart), "--namespace", "unit", "--kube-version", KUBERNETES]
        command += [option for setting in settings for option in ("--set", setting)]
        command += ["--values", str(CHARTS / chart / values)] if values else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [manifest for manifest in yaml.load_all(done.stdout, yaml.CSafeLoader) if manifest]

    def rendered(chart: str, *settings: str, values: str | None = None) -> Manifests:
        return copy.deepcopy(once(chart, settings, values))

    return rendered
