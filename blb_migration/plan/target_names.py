"""What a source's name is called at the target: kept or folded, and short enough for PostgreSQL.

One rule for everybody who needs it: the plan looks target tables and columns up by these names, and
schema creation creates them under these names. Whether two names meet is their business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

NameStyle = Literal["keep", "lower", "snake"]

# NAMEDATALEN - 1 of every build that anybody ships; longer names would be cut off by the server.
MAX_NAME_BYTES = 63
_DIGEST_LENGTH = 8

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"\W+")
_NO_LETTER = re.compile(r"[\W_]+")


def build_target_name(name: str, style: NameStyle = "keep") -> str:
    """Build the target's name for a source's name, at most 63 bytes in UTF-8.

    ``lower`` folds ``OrderLines`` to ``orderlines``, ``snake`` to ``order_lines`` with every run of
    other characters than letters and digits as one underscore. Deterministic; different names can
    become the same one only by folding.
    """
    return shorten_name(_fold(name, style))


def build_cut_name(name: str, style: NameStyle = "keep") -> str:
    """Build the name under which PostgreSQL itself creates a table or column: its first 63 bytes in UTF-8.

    A target that was made beforehand has it where schema creation would have put a digest.
    """
    return _fold(name, style).encode("utf-8", "surrogatepass")[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _fold(name: str, style: NameStyle) -> str:
    if style == "lower":
        return name.lower()
    if style == "snake":
        return _NO_WORD.sub("_", _WORD_BORDER.sub("_", name)).strip("_").lower() or name.lower()
    return name


def find_alike(name: str, others: Iterable[str]) -> list[str]:
    """Find the names of the same letters and digits in any case, as ``homepage`` for ``HomePage`` or
    ``home_page``: maybe what a person would call the same. Nothing is like a name without either."""
    letters = _fold_letters(name)
    return [other for other in others if letters and _fold_letters(other) == letters]


def _fold_letters(name: str) -> str:
    return _NO_LETTER.sub("", name).lower()


def shorten_name(name: str) -> str:
    """``name`` itself when PostgreSQL can hold it; else its beginning, and a digest of the whole."""
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_DIGEST_LENGTH]
    kept = encoded[: MAX_NAME_BYTES - len(digest) - 1].decode("utf-8", "ignore")
    return f"{kept}_{digest}"
