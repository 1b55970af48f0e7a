"""Which events of a partition are already in silver."""

from collections import deque

_BUCKET = 60_000_000  # microseconds


class DedupIndex:
    """Exact set of the event ids of one partition within a window of time.

    An id leaves at the earliest when the window has passed since its event was processed, at the latest a minute
    later: ids are kept by minute, which makes forgetting cheap. Memory is about 130 bytes an id.
    """

    def __init__(self, window: int) -> None:
        """Take the window in microseconds."""
        self._window = window
        self._ids: set[bytes] = set()
        self._minutes: deque[tuple[int, list[bytes]]] = deque()

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, event_id: bytes, processed_at: int) -> None:
        """Remember an id; `processed_at` in microseconds, roughly ascending."""
        if event_id in self._ids:
            return
        self._ids.add(event_id)
        minute = processed_at // _BUCKET
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, []))
        self._minutes[-1][1].append(event_id)

    def evict(self, now: int) -> None:
        """Forget what is older than the window; `now` in microseconds."""
        oldest = (now - self._window) // _BUCKET
        while self._minutes and self._minutes[0][0] < oldest:
            self._ids.difference_update(self._minutes.popleft()[1])
