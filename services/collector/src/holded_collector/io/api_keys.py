"""API keys from a mounted Secret, read again when Kubernetes has exchanged it."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from holded_collector.auth import digest

CHECK_SECONDS = 0.5
"""Time for which a key may still be taken, or be unknown, after the files have changed."""

log = structlog.get_logger(__name__)


class KeyFolder:
    """Digests of the keys in a folder: one file a key, its name is the source name, its content the key.

    The kubelet exchanges a Secret's files by pointing the link `..data` elsewhere, so two `stat` calls tell whether
    anything changed; they are made once in CHECK_SECONDS. If a read fails, the keys read last stay valid.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._checked = -math.inf
        self._seen: tuple[int, ...] | None = None
        self._digests: dict[str, bytes] = {}

    def digests(self) -> Mapping[str, bytes]:
        """Return the digest of every key by its source name; empty if there is no key."""
        now = self._clock()
        if self._digests and now - self._checked < CHECK_SECONDS:
            return self._digests
        self._checked = now
        try:
            state = self._state()
            if state != self._seen:
                self._digests = self._read()
                self._seen = state
                log.info("api keys read", keys=len(self._digests))
        except OSError as error:
            failed = (-1,)
            if self._seen != failed:
                log.warning("api keys cannot be read", folder=str(self._folder), reason=error.strerror)
                self._seen = failed
        return self._digests

    def unavailable(self) -> str | None:
        """Return why nobody can be let in, None when there is a key."""
        return None if self.digests() else f"there is no API key in {self._folder}"

    def _state(self) -> tuple[int, ...]:
        folder = self._folder.stat()
        data = self._folder / "..data"
        link = data.lstat() if data.is_symlink() else folder
        return (folder.st_mtime_ns, folder.st_ino, link.st_mtime_ns, link.st_ino)

    def _read(self) -> dict[str, bytes]:
        files = sorted(path for path in self._folder.iterdir() if not path.name.startswith(".") and path.is_file())
        contents = {path.name: path.read_bytes().strip() for path in files}
        return {name: digest(key) for name, key in contents.items() if key}
