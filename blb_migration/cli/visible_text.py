"""Text that came from a server, a file or a person, made fit for a terminal.

A terminal obeys control characters: they move its cursor, rename its window, hide a line. The marks of
bidirectional writing let a name be read backwards.
"""

from __future__ import annotations

import re

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for line feed and tab
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff]"  # half a surrogate pair, which no encoding of a terminal has
)


def make_visible(text: str) -> str:
    """Return the text with an escape such as ``\\x1b`` in place of each character that a terminal obeys."""
    return _OBEYED.sub(_escape, text)


def _escape(character: re.Match[str]) -> str:
    code = ord(character[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
