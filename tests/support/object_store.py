"""An object store, Adobe's S3Mock in a container, and the plugin by which Flink speaks to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx

from tests.support.containers import FLINK_IMAGE, container, free_port
from tests.support.maven import artifact
from tests.support.waiting import wait_until

_SERVER = "com.adobe.testing:s3mock:3.12.0:jar:exec"
_PLUGIN = "org.apache.flink:flink-s3-fs-hadoop:1.19.3"
_BUCKET = "pipelines"
_KEY = "{*}Contents/{*}Key"


@dataclass(frozen=True)
class ObjectStore:
    """One bucket, on 127.0.0.1. It takes whatever credentials it is shown."""

    endpoint: str
    plugin: Path
    """Flink's file system for it, alone in a folder."""
    url: str = f"s3://{_BUCKET}/orders"

    @property
    def flink_properties(self) -> dict[str, str]:
        """What Flink's configuration says of a store of one's own."""
        own = {"s3.endpoint": self.endpoint, "s3.path.style.access": "true"}
        # S3Mock does not find an object that was uploaded in parts when it is asked for it by its ETag.
        return {**own, "s3.change.detection.mode": "none"}

    @property
    def credentials(self) -> dict[str, str]:
        """Variables of Flink's processes, which do not ask without."""
        return {"AWS_ACCESS_KEY_ID": "flink", "AWS_SECRET_ACCESS_KEY": "unchecked"}

    def objects(self) -> list[str]:
        """Return the names of its objects, the first thousand."""
        listing = httpx.get(f"{self.endpoint}/{_BUCKET}", params={"list-type": "2"}, timeout=10).raise_for_status()
        return [str(key.text) for key in ET.fromstring(listing.text).iterfind(_KEY)]  # noqa: S314 -- our own server's


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start one; it is gone at the end."""
    server, plugin = artifact(_SERVER, folder / "server"), artifact(_PLUGIN, folder / "plugin")
    port = free_port()
    store = ObjectStore(f"http://127.0.0.1:{port}", plugin)
    with container(
        FLINK_IMAGE,  # for its Java
        ports={"9090/tcp": port},
        command=["java", "-jar", "/server/" + server.name],
        volumes={str(server.parent): {"bind": "/server", "mode": "ro"}},
    ):
        wait_until(lambda: httpx.put(f"{store.endpoint}/{_BUCKET}", timeout=5).is_success, timeout=60, what="a bucket")
        yield store
