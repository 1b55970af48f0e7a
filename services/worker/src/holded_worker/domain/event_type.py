r"""Reading `Holded\{Context}\Domain\{Aggregate}\Events\{Name}Event`."""

import re
from functools import lru_cache
from typing import NamedTuple

EVENT_TYPE_FORM = r"Holded\{Context}\Domain\{Aggregate}\Events\{Name}Event"
MAX_TYPE_LENGTH = 255
"""Characters of a type; the width of gold's column."""
MAX_PART_LENGTH = 128
"""Characters of domain, entity and action; the width of gold's columns."""

_FORM = re.compile(
    r"Holded\\([A-Z][A-Za-z0-9]*)\\Domain\\([A-Z][A-Za-z0-9]*)\\Events\\([A-Z][A-Za-z0-9]*)Event", re.ASCII
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|[0-9]+")


class EventType(NamedTuple):
    """What a type says about its event."""

    domain: str
    """Bounded context, e.g. Wallet."""
    entity: str
    """Aggregate, e.g. Transaction."""
    action: str
    """What happened, snake case, e.g. created."""


@lru_cache(maxsize=8192)  # a business has some hundreds of types; the bound keeps hostile ones from filling memory
def parse_type(text: str) -> EventType | None:
    """Return the parts of a type, None when it is not of the form EVENT_TYPE_FORM or has overlong parts."""
    if len(text) > MAX_TYPE_LENGTH:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    domain, entity, name = match.groups()
    parsed = EventType(domain, entity, _action(name, domain, entity))
    return parsed if max(map(len, parsed)) <= MAX_PART_LENGTH else None


def _action(name: str, domain: str, entity: str) -> str:
    """Strip the leading words that only repeat domain and entity; a name of nothing else stays whole."""
    words = _WORD.findall(name)
    known = {_singular(word) for word in _WORD.findall(domain) + _WORD.findall(entity)}
    start = 0
    while start < len(words) and _singular(words[start]) in known:
        start += 1
    return "_".join(words[start:] or words).lower()


def _singular(word: str) -> str:
    return word.lower().removesuffix("s")
