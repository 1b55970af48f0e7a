"""Where two JSON documents differ, as paths with the old and the new value. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from holded_cli.cluster.redaction import redacted_field

TEXT_LENGTH = 80
"""Characters of a value that are shown; longer ones are cut around the first difference."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


class _Absent:
    """Stands for a value that is not there: null is one that is."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()


@dataclass(frozen=True)
class Difference:
    """One place that differs; either side may be `ABSENT`."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        old, new = self._shown(self.old), self._shown(self.new)
        start = next((at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
        return f"{self.path}: {_cut(old, start)} -> {_cut(new, start)}"

    def as_json(self) -> dict[str, Any]:
        """Return path, old and new; a side that is absent is left out."""
        sides = {"old": self.old, "new": self.new}
        return {"path": self.path} | {name: self._safe(side) for name, side in sides.items() if side is not ABSENT}

    def _safe(self, value: Any) -> Any:
        return redacted_field(self.path.rstrip('"]'), value)

    def _shown(self, value: Any) -> str:
        return repr(value) if value is ABSENT else json.dumps(self._safe(value), ensure_ascii=False)


def differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    """Yield the smallest places that differ; items of lists are matched by their name, else by their position."""
    old_parts, new_parts = _parts(old), _parts(new)
    if old_parts is None or new_parts is None or type(old) is not type(new):
        if type(old) is not type(new) or old != new:
            yield Difference(path, old, new)
        return
    for key in (*old_parts, *(key for key in new_parts if key not in old_parts)):
        yield from differences(old_parts.get(key, ABSENT), new_parts.get(key, ABSENT), f"{path}{key}".lstrip("."))


def _parts(value: Any) -> dict[str, Any] | None:
    """Return the parts of a value by their step of the path; None for one that has none."""
    if isinstance(value, dict):
        return {_step(key): part for key, part in value.items()}
    if isinstance(value, list):
        return _items(value)
    if isinstance(value, str) and value[:1] in {"{", "["}:
        # A setting that is a JSON document, as the ConfigMaps hold the rules.
        try:
            return _parts(json.loads(value))
        except ValueError:
            return None
    return None


def _items(items: list[Any]) -> dict[str, Any]:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if None in names or len(set(names)) < len(names):
        return {f"[{index}]": item for index, item in enumerate(items)}
    return {f"[{name}]": item for name, item in zip(names, items, strict=True)}


def _step(key: str) -> str:
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(key)}]"


def _cut(text: str, start: int) -> str:
    if len(text) <= TEXT_LENGTH:
        return text
    first = max(0, min(start - 20, len(text) - TEXT_LENGTH))
    last = first + TEXT_LENGTH
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")
