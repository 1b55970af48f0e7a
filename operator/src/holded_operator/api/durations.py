"""Durations as the resource writes them: a number and its unit, e.g. 30s, 15m, 24h, 7d."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

FOREVER = "forever"


def seconds(duration: str) -> int:
    """Return the length in seconds.

    Raises
    ------
    ValueError
        If it is not a number followed by s, m, h or d.
    """
    number, unit = duration[:-1], duration[-1:]
    if unit not in _SECONDS or not number.isdecimal():
        raise ValueError(f"{duration!r} is not a number followed by s, m, h or d")
    return int(number) * _SECONDS[unit]
