"""Remembering what was made of the rules in use."""

from collections.abc import Callable
from typing import cast


class Latest[K, V]:
    """What was made of the last key, which is known again by its identity.

    Hashing or comparing rules for each event, as functools would, costs more than applying them.
    """

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._latest: tuple[object, V | None] = (object(), None)

    def of(self, key: K) -> V:
        """Return what was made of the key."""
        known, made = self._latest
        if known is key:
            return cast("V", made)
        fresh = self._make(key)
        self._latest = (key, fresh)
        return fresh
