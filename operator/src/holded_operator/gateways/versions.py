"""Versions of all pipelines and their objects: one list of metadata for each kind, for all pipelines together.

Only four fields of each object are decoded; the rest of the metadata, most of it managedFields, is skipped unread.
"""

from collections.abc import Iterable

import msgspec

from holded_operator.constants import API_VERSION, FIELD_MANAGER, LABEL_MANAGED_BY, PLURAL
from holded_operator.gateways.interfaces import Versions
from holded_operator.gateways.objects import RESOURCES, collection_path

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MANAGED = f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"


class _Owner(msgspec.Struct):
    uid: str


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str
    resource_version: str
    owner_references: list[_Owner] = []


class _Item(msgspec.Struct):
    metadata: _Metadata


class _List(msgspec.Struct):
    items: list[_Item] | None = None


_decode = msgspec.json.Decoder(_List).decode


def owned_paths(namespaces: Iterable[str]) -> list[str]:
    """Return the paths of the lists of every owned kind in these namespaces (in all, when none are given)."""
    return [
        collection_path(version, plural, namespace)
        for version, plural in RESOURCES.values()
        for namespace in tuple(namespaces) or (None,)
    ]


def pipeline_paths(namespaces: Iterable[str]) -> list[str]:
    """Return the paths of the lists of pipelines in these namespaces (in all, when none are given)."""
    return [collection_path(API_VERSION, PLURAL, namespace) for namespace in tuple(namespaces) or (None,)]


class VersionReader:
    """Remembers the last answers: while nothing happens they are the same byte for byte, and need no decoding."""

    def __init__(self) -> None:
        # Replaced as one, for several threads.
        self._last: tuple[list[bytes], dict[str, Versions]] | None = None

    def read(self, pipelines: Iterable[bytes], owned: Iterable[bytes]) -> dict[str, Versions]:
        """Return what `by_pipeline` does."""
        pipelines, owned = list(pipelines), list(owned)
        items = [_items(answer) for answer in (*pipelines, *owned)]
        last = self._last
        if last is not None and last[0] == items:
            return last[1]
        found = by_pipeline(pipelines, owned)
        self._last = items, found
        return found


def _items(answer: bytes) -> bytes:
    """Leave out the list's own metadata, whose version grows with everything that happens in the cluster."""
    start = answer.find(b'"items"')
    return answer if start < 0 else answer[start:]


def by_pipeline(pipelines: Iterable[bytes], owned: Iterable[bytes]) -> dict[str, Versions]:
    """Return uid and resource version of each pipeline and of all that it owns, by the pipeline's uid.

    Parameters
    ----------
    pipelines, owned
        The API server's answers.
    """
    found = {
        item.metadata.uid: {(item.metadata.uid, item.metadata.resource_version)}
        for answer in pipelines
        for item in _decode(answer).items or ()
    }
    for answer in owned:
        for item in _decode(answer).items or ():
            for owner in item.metadata.owner_references:
                if owner.uid in found:
                    found[owner.uid].add((item.metadata.uid, item.metadata.resource_version))
    return {uid: frozenset(versions) for uid, versions in found.items()}
