"""Artifacts of Maven's central repository; Maven fetches and caches them, and nothing of them is kept here."""

import shutil
import subprocess
from pathlib import Path


def artifact(coordinates: str, folder: Path) -> Path:
    """Copy the file of `group:artifact:version[:packaging:classifier]` into a folder that is made for it."""
    maven = shutil.which("mvn")
    assert maven is not None, f"{coordinates} comes by Maven: install mvn"
    folder.mkdir(parents=True)
    subprocess.run(
        [maven, "-q", "-B", "dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"],
        cwd=folder,
        check=True,
        timeout=240,
    )
    (found,) = folder.iterdir()
    return found
