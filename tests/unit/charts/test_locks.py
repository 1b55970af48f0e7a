"""The lock files pin every package with hashes, name no host, and agree with one another."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MEMBERS = [
    Path("operator/requirements.lock"),
    *(Path("services") / name / "requirements.lock" for name in ("collector", "worker", "sink")),
]
LOCKS = [Path("requirements.lock"), Path("requirements-uv.lock"), *MEMBERS]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", (ROOT / path).read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", LOCKS, ids=str)
def test_every_line_is_a_pin_or_a_hash(path):
    text = (ROOT / path).read_text().replace("\\\n", " ")
    assert text.strip()
    for line in text.splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line


@pytest.mark.parametrize("path", MEMBERS, ids=str)
def test_images_run_the_versions_that_were_tested(path):
    assert pins(path).items() <= pins(Path("requirements.lock")).items(), "run: make lock"


def test_images_leave_the_other_services_out():
    assert "apache-beam" in pins(Path("services/worker/requirements.lock"))
    for name in ("collector", "sink"):
        assert not {"apache-beam", "kopf"} & pins(Path("services") / name / "requirements.lock").keys()
