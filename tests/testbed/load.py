"""Put images of the Docker engine onto a kind node, without the layers that the node already has.

usage: load.py NODE IMAGE...

`kind load` sends whole images: more than a gigabyte for a changed line of source. The engine's archive is rewritten into an OCI
layout that leaves known layers out; containerd finds those in its own store.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def reference(image: str) -> str:
    """Return the full name that Kubernetes gives an image of Docker's default registry."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


class Layout:
    """An OCI layout written to a stream as a tar archive; each blob once, known ones never."""

    def __init__(self, out: tarfile.TarFile, known: set[str]) -> None:
        self._out = out
        self._written = set(known)
        self._index: list[dict[str, Any]] = []

    def _file(self, name: str, size: int, content: Any) -> None:
        member = tarfile.TarInfo(name)
        member.size = size
        self._out.addfile(member, content)

    def blob(self, name: str, size: int, content: Any) -> None:
        if name not in self._written:
            self._written.add(name)
            self._file(f"blobs/{name.replace(':', '/')}", size, content)

    def image(self, tags: list[str], config: bytes, layers: list[tuple[str, int, Any]]) -> None:
        self.blob(digest(config), len(config), io.BytesIO(config))
        for name, size, content in layers:
            self.blob(name, size, content)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest(config), "size": len(config)},
                "layers": [{"mediaType": LAYER, "digest": name, "size": size} for name, size, _ in layers],
            }
        ).encode()
        self.blob(digest(manifest), len(manifest), io.BytesIO(manifest))
        entry = {"mediaType": MANIFEST, "digest": digest(manifest), "size": len(manifest)}
        self._index += [entry | {"annotations": {"io.containerd.image.name": reference(tag)}} for tag in tags]

    def close(self) -> None:
        files = {
            "oci-layout": {"imageLayoutVersion": "1.0.0"},
            "index.json": {"schemaVersion": 2, "manifests": self._index},
        }
        for name, content in files.items():
            text = json.dumps(content).encode()
            self._file(name, len(text), io.BytesIO(text))
        self._out.close()


def rewrite(archive: tarfile.TarFile, layout: Layout) -> None:
    def read(name: str) -> bytes:
        content = archive.extractfile(name)
        assert content is not None, name
        return content.read()

    def opened(name: str) -> tuple[int, Any]:
        content = archive.extractfile(name)  # follows the links between equal layers
        assert content is not None, name
        size = content.seek(0, io.SEEK_END)
        content.seek(0)
        return size, content

    for entry in json.loads(read("manifest.json")):
        config = read(entry["Config"])
        names = json.loads(config)["rootfs"]["diff_ids"]
        layers = [(name, *opened(path)) for name, path in zip(names, entry["Layers"], strict=True)]
        layout.image(entry["RepoTags"], config, layers)
    layout.close()


def main(node: str, images: list[str]) -> int:
    ctr = ["docker", "exec", "--interactive", node, "ctr", "--namespace", "k8s.io"]
    listed = subprocess.run([*ctr, "content", "list", "--quiet"], check=True, capture_output=True, text=True)
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", *images], check=True, stdout=saved)
        saved.seek(0)
        command = [*ctr, "images", "import", "-"]
        with (
            tarfile.open(fileobj=saved) as archive,
            subprocess.Popen(command, stdin=subprocess.PIPE) as importing,
        ):
            assert importing.stdin is not None
            rewrite(archive, Layout(tarfile.open(fileobj=importing.stdin, mode="w|"), set(listed.stdout.split())))
            importing.stdin.close()
        return importing.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
