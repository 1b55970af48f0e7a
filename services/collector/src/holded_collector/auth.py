"""Who sends: API keys are compared as digests, all of them and in constant time."""

import hashlib
import hmac
from collections.abc import Mapping


def digest(key: bytes) -> bytes:
    """Return what is kept of a key: digests have equal length, so a comparison tells nothing of a key's length."""
    return hashlib.sha256(key).digest()


def find_source(presented: str | None, digests: Mapping[str, bytes]) -> str | None:
    """Return the name of the key that was presented, None if it is none of them.

    Every key is compared whatever the result so far, so that time does not tell which one was close.
    """
    if not presented:
        return None
    candidate = digest(presented.encode("utf-8", "replace"))
    found = None
    for name, known in digests.items():
        if hmac.compare_digest(candidate, known):
            found = name
    return found


def presented_key(authorization: str | None, api_key: str | None) -> str | None:
    """Return the key of `Authorization: Bearer KEY`, or else of `X-Api-Key: KEY`."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return api_key.strip() if api_key else None
