"""The worker's image of this checkout: what it runs is compiled, where tests in the checkout run the sources."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = ".venv/lib/python3.13/site-packages"
_TAG = "holded-pipeline/worker:checkout"


def build_worker_image() -> str:
    """Build the image, from cached layers where nothing has changed, and return its name."""
    command = ["docker", "build", "--quiet", "--file", "services/worker/Dockerfile", "--tag", _TAG, "."]
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-3000:]}")
    return _TAG
