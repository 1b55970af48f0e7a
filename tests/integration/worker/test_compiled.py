"""The image's compiled functions do what their sources do: all unit tests of the worker hold for them, too."""

import subprocess

import pytest

from tests.support.worker_image import ROOT, SITE_PACKAGES, build_worker_image

OTHERS = ("cli", "services/collector", "services/sink", "operator")
"""Projects whose sources the tests import; those of the worker itself and of the contracts are the image's."""
COMPILED = ("holded_worker.dedup", "holded_worker.domain.process", "holded_worker.domain.sanitize")


@pytest.fixture(scope="module")
def image() -> str:
    return build_worker_image()


def in_image(image: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the image's Python with the checkout's tests and their libraries; root only because a checkout may be private."""
    paths = [ROOT / SITE_PACKAGES, ROOT, *(ROOT / project / "src" for project in OTHERS)]
    return subprocess.run(
        [
            *("docker", "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "python"),
            *("--volume", f"{ROOT}:{ROOT}:ro", "--workdir", str(ROOT)),
            *("--env", f"PYTHONPATH={':'.join(map(str, paths))}", image, *arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_the_image_runs_compiled_functions(image: str) -> None:
    imports = "; ".join(f"import {name}; print({name}.__file__)" for name in COMPILED)
    files = in_image(image, "-c", imports).stdout.split()
    assert len(files) == len(COMPILED)
    assert all(file.endswith(".so") for file in files), files


def test_all_unit_tests_of_the_worker_hold_for_the_compiled_functions(image: str) -> None:
    # The bounds and the cache folder are the checkout's own, which is read-only here.
    done = in_image(image, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "tests/unit/worker")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
