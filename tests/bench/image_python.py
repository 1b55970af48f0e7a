"""Processes under measurement run by the interpreter of our images: another build of Python has another speed.

Code and libraries are those of this checkout, mounted where they are, or those of an image of ours.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.support.containers import LABEL

IMAGE = "python:3.13-slim"
"""Base image of every service."""


@dataclass(frozen=True)
class ImageProcess:
    """A running process and what it has written so far."""

    pid: int
    log: Callable[[], str]


@contextmanager
def image_python(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    folders: Sequence[Path] = (),
    own_image: str | None = None,
) -> Iterator[ImageProcess]:
    """Run `python3 ARGUMENTS` on the host's network with these folders readable, until the context closes.

    With an image of ours, its own code and libraries run; of this checkout, only `tests` can be imported then.
    """
    root = Path(__file__).parents[2]
    ours = [] if own_image else [path for path in sys.path if path.startswith(str(root))]
    client = docker.from_env()
    container = client.containers.run(
        own_image or IMAGE,
        list(arguments),
        entrypoint=["python3"],
        detach=True,
        labels={LABEL: "1"},
        network_mode="host",
        volumes={str(folder): {"bind": str(folder), "mode": "ro"} for folder in (root, *folders)},
        environment={
            **environment,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": ":".join([*ours, str(root)]),
            "USER": "bench",
            "HOME": "/tmp",
        },
    )
    try:
        container.reload()
        yield ImageProcess(int(container.attrs["State"]["Pid"]), lambda: str(container.logs().decode()))
    finally:
        container.remove(force=True)
        client.close()
