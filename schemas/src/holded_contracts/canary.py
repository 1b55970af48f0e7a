"""Canaries: events of our own that go the whole way, so that somebody notices when events no longer do.

What marks one is its source. Sources are names of API keys, which are keys of a Kubernetes Secret, so none has a colon
and no client can forge one. The type is reserved for readers of the topics; the collector refuses it from clients.
"""

CANARY_TYPE = r"Holded\Pipeline\Domain\Canary\Events\CanarySentEvent"
"""headers.type of every canary; of the form that the worker accepts."""

LATE_PERIODS = 3
"""A canary is late when none has been stored for so many periods."""

_SOURCE = "canary:"
_MAX_POD = 240
"""Characters of a pod's name that are kept: with the mark they fit gold's columns of sources."""


def canary_source(pod: str) -> str:
    """Return the source of the canaries that a collector pod sends."""
    return _SOURCE + pod[:_MAX_POD]


def is_canary(source: str | None) -> bool:
    """Tell whether a record with this source is a canary, in whichever topic it stands."""
    return source is not None and source.startswith(_SOURCE)


def canary_pod(source: str) -> str:
    """Return the pod that sent a canary."""
    return source.removeprefix(_SOURCE)
