"""Whose data is erased, and how it is recognised in a dead letter, whose account may never have been read. Pure."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holded_contracts import wire
from holded_contracts.topics import Artefact

# As the worker reads them: headers that hold accountId and userId.
_CONTEXT_STAMP = re.compile(r"X-Message-Stamp-.*ContextStamp", re.IGNORECASE | re.DOTALL)


class Kind(StrEnum):
    """What an id stands for; the value is a column of events without its _id."""

    ACCOUNT = "account"
    USER = "user"


@dataclass(frozen=True)
class Subject:
    """One account or one user."""

    kind: Kind
    id: str

    @property
    def column(self) -> str:
        """The column of events that has the id."""
        return f"{self.kind}_id"

    @property
    def digest(self) -> str:
        """What the audit log has of it: it shows that this id was erased to who knows the id, and nothing else."""
        return hashlib.blake2b(f"{self.kind}\0{self.id}".encode(), digest_size=16).hexdigest()

    def is_in(self, payload: bytes) -> bool:
        """Tell whether a dead letter's payload, an event's JSON or a whole Kafka record, is this subject's."""
        for artefact in (Artefact.RAW, Artefact.SILVER, Artefact.ANALYTICS):
            fields = _decoded(payload, artefact)
            if fields is not None:
                inner = fields.get("payload")
                return self.is_in(inner) if isinstance(inner, bytes) else fields.get(self.column) == self.id
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            return self._is_in_text(payload)
        return any(value == self.id for value in self._values(document))

    def _values(self, document: Any) -> Iterator[str]:
        headers = document.get("headers") if isinstance(document, dict) else None
        for name, stamp in headers.items() if isinstance(headers, dict) else ():
            if _CONTEXT_STAMP.fullmatch(name):
                # A stamp that is no object is why the letter is dead: then any value in it may be the id.
                yield from _scalars(stamp.get(f"{self.kind}Id") if isinstance(stamp, dict) else stamp)

    def _is_in_text(self, payload: bytes) -> bool:
        """Look for the member as it is spelt in JSON, in what is cut off or otherwise not JSON."""
        spellings = {json.dumps(self.id, ensure_ascii=ascii_only).encode() for ascii_only in (True, False)}
        return any(
            re.search(rb'"%sId"\s*:\s*%s' % (self.kind.encode(), re.escape(spelling)), payload)
            for spelling in spellings
        )


def _decoded(payload: bytes, artefact: Artefact) -> dict[str, Any] | None:
    try:
        wire.split(payload)
        return wire.decode(payload, wire.parsed_schema(artefact), None)
    except wire.WireFormatError:
        return None


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif isinstance(value, str | int | float):
        yield str(value)
