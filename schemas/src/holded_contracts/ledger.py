"""G5 in numbers: accepted = gold + dead letters + duplicates + in flight. Pure.

Canaries are records of raw like all others, and none of anybody's events. Raw's offsets count them from the moment they
are sent, gold from the moment they are stored. So they leave `accepted` when they arrive, and until then each is one
event accepted and in flight: the sum holds at every moment, and at rest all figures are those of the users' events.
"""


def accepted_events(raw_records: int, canaries: int) -> int:
    """Return the accepted events: records ever put into raw, without the canaries that have arrived."""
    return raw_records - canaries


def in_flight(accepted: int, *, gold: int, dead_letters: int, duplicates: int) -> int:
    """Return the accepted events that are in none of the three places yet."""
    return accepted - gold - dead_letters - duplicates
