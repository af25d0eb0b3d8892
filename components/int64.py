"""Numbers of 64 bits with a sign: ids in ML Metadata and SQLite, and versions of TensorFlow Serving."""

from __future__ import annotations

LARGEST = 2**63 - 1


def parsed(text: str) -> int | None:
    """Return the number that a text of ASCII digits is; None for any other text, and above `LARGEST`."""
    digits = text.lstrip("0") or text[:1]  # Python refuses to convert thousands of digits, also of zeros
    if not (text.isascii() and text.isdecimal() and len(digits) <= len(str(LARGEST))):
        return None
    number = int(digits)
    return number if number <= LARGEST else None
