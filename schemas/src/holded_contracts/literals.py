"""Number literals that are too long for a double: found in JSON text before anything is decoded."""

EXACT_DIGITS = 15
"""Decimal digits that a double holds for certain; a literal of so many comes back from it as it was."""
LONG_RUN = b"0" * (EXACT_DIGITS + 1)
"""How a literal that may be longer shows in `digit_runs`."""
_DIGITS_AND_DOT = bytes(ord("0") if byte in b"0123456789." else ord(" ") for byte in range(256))


def digit_runs(text: bytes) -> bytes:
    """Return the text with every digit and point as 0 and all else as a blank: searching it costs next to nothing."""
    return text.translate(_DIGITS_AND_DOT)
