"""Which events of a partition are already in silver."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

_SLICES = 64
_MAX_SLICES = 250  # an entry's stamp is one byte; it must tell the oldest slice from the newest
_ID_BYTES = 16
_ENTRY_BYTES = _ID_BYTES + 1
_ENTRIES_PER_BUCKET = 16
"""Mean at which a bucket is split. More would save the last bytes of overhead, and cost time in each look."""
_SECOND = 1_000_000


@dataclass
class _Slice:
    """Ids that leave together."""

    began: int
    """Microseconds since the epoch: the time of its first id."""
    newest: int
    stamp: int
    """Last byte of its entries."""
    ids: int = 0


class DedupIndex:
    """Exact set of the event ids of one partition within a window of time; an id has 16 bytes.

    An id leaves at the earliest when the window has passed since its event was processed, and at the latest a 64th of
    the window later. Memory is about 22 bytes an id (`make bench-worker` measures it), where a set of bytes takes
    over 100: ids lie one after another in buckets, each followed by the stamp of its slice of time. The table grows by
    linear hashing, one bucket at a time, so no batch has to wait for all of it to be built anew.
    """

    def __init__(self, window: int, max_ids: int = 10_000_000) -> None:
        """Take the window in microseconds and the number of ids at which slices are closed early (see `shrink`)."""
        self._window = window
        self._slice_length = max(_SECOND, window // _SLICES)
        self._slice_ids = max(1, max_ids // _SLICES)
        self._slices: deque[_Slice] = deque()
        self._length = 0
        self._begin()

    def __contains__(self, event_id: object) -> bool:
        if not isinstance(event_id, bytes):
            return False
        number = hash(event_id)
        at = number & self._mask
        bucket = self._buckets[at if at >= self._next_split else number & self._next_mask]
        found = bucket.find(event_id)
        return found >= 0 and (found % _ENTRY_BYTES == 0 or _holds(bucket, event_id))

    def __len__(self) -> int:
        return self._length

    @property
    def size(self) -> int:
        """Memory in bytes, near enough: allocators round up."""
        return sum(map(bytearray.__sizeof__, self._buckets)) + self._buckets.__sizeof__()

    def add(self, event_id: bytes, processed_at: int) -> None:
        """Remember an id; `processed_at` in microseconds, roughly ascending.

        Raises
        ------
        ValueError
            If the id has a wrong length.
        """
        if len(event_id) != _ID_BYTES:
            raise ValueError(f"an event_id has {_ID_BYTES} bytes, not {len(event_id)}")
        if event_id not in self:
            self.add_new((event_id,), processed_at)

    def add_new(self, event_ids: Iterable[bytes], processed_at: int) -> None:
        """Remember ids of 16 bytes that are known not to be in the index."""
        buckets = self._buckets
        for event_id in event_ids:
            current = self._slice(processed_at)
            current.ids += 1
            number = hash(event_id)
            at = number & self._mask
            bucket = buckets[at if at >= self._next_split else number & self._next_mask]
            bucket += event_id
            bucket.append(current.stamp)
            self._length += 1
            if self._length > _ENTRIES_PER_BUCKET * len(buckets):
                self._split()

    def evict(self, now: int) -> None:
        """Forget what is older than the window; `now` in microseconds."""
        expired = 0
        while expired < len(self._slices) and self._slices[expired].newest < now - self._window:
            expired += 1
        self._forget(expired)

    def shrink(self) -> int:
        """Forget the oldest slice before its time; return the number of its ids."""
        before = self._length
        self._forget(1)
        return before - self._length

    def _slice(self, at: int) -> _Slice:
        """Return the newest slice, a new one where that has become too old or too large."""
        newest = self._slices[-1] if self._slices else None
        if newest is None or (
            (at >= newest.began + self._slice_length or newest.ids >= self._slice_ids)
            and len(self._slices) < _MAX_SLICES
        ):
            newest = _Slice(at, at, 0 if newest is None else (newest.stamp + 1) % 256)
            self._slices.append(newest)
        newest.newest = max(newest.newest, at)
        return newest

    def _forget(self, slices: int) -> None:
        """Forget the oldest slices. A bucket holds its entries in the order of slices, so they stand at its front."""
        gone = [self._slices.popleft() for _ in range(min(slices, len(self._slices)))]
        if not gone:
            return
        stamps = bytes(one.stamp for one in gone)
        for bucket in self._buckets:
            of_entries = bucket[_ID_BYTES::_ENTRY_BYTES]
            old = len(of_entries) - len(of_entries.lstrip(stamps))
            if old:
                del bucket[: old * _ENTRY_BYTES]
        self._length -= sum(one.ids for one in gone)
        if self._length == 0:
            self._begin()

    def _begin(self) -> None:
        # Python's hash of bytes is keyed by the process: nobody can choose ids that all meet in one bucket.
        self._buckets = [bytearray()]
        self._mask, self._next_mask, self._next_split = 0, 1, 0

    def _split(self) -> None:
        """Give half of one bucket to a new one at the end; when all have been split the next round begins."""
        crowded = self._buckets[self._next_split]
        stay, move = bytearray(), bytearray()
        for start in range(0, len(crowded), _ENTRY_BYTES):
            entry = crowded[start : start + _ENTRY_BYTES]
            moves = hash(bytes(entry[:_ID_BYTES])) & (self._mask + 1)
            (move if moves else stay).extend(entry)
        self._buckets[self._next_split] = stay
        self._buckets.append(move)
        self._next_split += 1
        if self._next_split > self._mask:
            self._mask, self._next_split = self._next_mask, 0
            self._next_mask = 2 * self._mask + 1


def shrunk_to(max_ids: int, indexes: Collection[DedupIndex]) -> Iterator[int]:
    """Let the oldest ids of the largest index leave until all together hold no more; yield how many left each time."""
    while sum(map(len, indexes)) > max_ids:
        yield max(indexes, key=len).shrink()


def _holds(bucket: bytearray, event_id: bytes) -> bool:
    at = bucket.find(event_id)
    while at >= 0:
        if at % _ENTRY_BYTES == 0:
            return True
        at = bucket.find(event_id, at + 1)  # across two entries
    return False
