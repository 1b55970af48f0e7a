"""From where a job can go on: the newest checkpoint or savepoint of a pipeline."""

import json
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import structlog

log = structlog.get_logger()


class RestorePoints:
    """Remembers the newest path, over restarts where the state's folder is a file system that this process sees.

    Elsewhere (an object store, a volume that is not mounted here) the memory is this process's. Losing it costs no
    event: a job without state begins at the committed offsets and reads its deduplication index from silver.
    """

    def __init__(self, state_url: str, pipeline: str) -> None:
        folder = _local(state_url)
        self._file = folder / f"{pipeline}.restore.json" if folder is not None and folder.is_dir() else None
        self._refused: set[str] = set()
        self._newest: str | None = None
        if self._file is not None:
            with suppress(OSError, ValueError):
                self._newest = json.loads(self._file.read_text("utf-8"))["path"]

    def note(self, path: str) -> None:
        """Remember a checkpoint or savepoint that is newer than all before."""
        if path == self._newest:
            return
        self._newest = path
        if self._file is not None:
            with suppress(OSError):
                self._file.write_text(json.dumps({"path": path}), "utf-8")

    def refuse(self, path: str) -> None:
        """Never offer a path again: a job could not be restored from it."""
        log.warning("cannot be restored from; the committed offsets and silver have all that counts", path=path)
        self._refused.add(path)

    def newest(self) -> str | None:
        """Return the newest path; where the folder can be seen, also one that was completed after the last `note`."""
        if self._newest is None:
            return None
        local = _local(self._newest)
        found = [self._newest]
        if local is not None and local.name.startswith("chk-") and local.parent.is_dir():
            complete = [path.parent for path in local.parent.glob("chk-*/_metadata")]
            found = [f"file://{path}" for path in sorted(complete, key=_number)]
        return next((path for path in reversed(found) if path not in self._refused), None)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("chk-"))


def _local(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(parts.path) if parts.scheme == "file" else None
