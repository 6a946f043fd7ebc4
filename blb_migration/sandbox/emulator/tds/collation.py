"""Collations as the wire knows them: five bytes, and the code page that (var)char text is sent in.

The five bytes are [MS-TDS] 2.2.5.1.2: 20 bits of locale id, 8 flags, 4 bits of version, then a sort
id that only the SQL_ collations have.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from blb_migration.sandbox.emulator.results import SqlServerError

DEFAULT_COLLATION_NAME = "SQL_Latin1_General_CP1_CI_AS"

# Sort ids of the SQL_ collations, from sys.fn_helpcollations' documentation.
_SORT_IDS = {
    "sql_latin1_general_cp1_cs_as": 51,
    "sql_latin1_general_cp1_ci_as": 52,
    "sql_latin1_general_cp1_ci_ai": 54,
}

# Locale id and Windows code page of a collation's designator, from "Windows collation sort styles".
_LOCALES = {
    "latin1_general": (0x0409, "cp1252"),
    "german_phonebook": (0x10407, "cp1252"),
    "french": (0x040C, "cp1252"),
    "modern_spanish": (0x0C0A, "cp1252"),
    "finnish_swedish": (0x040B, "cp1252"),
    "danish_norwegian": (0x0406, "cp1252"),
    "polish": (0x0415, "cp1250"),
    "czech": (0x0405, "cp1250"),
    "cyrillic_general": (0x0419, "cp1251"),
    "greek": (0x0408, "cp1253"),
    "turkish": (0x041F, "cp1254"),
}

_VERSIONS = {"90": 1, "100": 2, "140": 3}
_IGNORE_CASE, _IGNORE_ACCENT, _IGNORE_KANA, _IGNORE_WIDTH, _BINARY, _BINARY2, _UTF8 = (
    1 << bit for bit in range(7)
)


@dataclass(frozen=True)
class Collation:
    """``wire_bytes`` are the five bytes of TYPE_INFO; ``encoding`` is a Python codec's name."""

    name: str
    wire_bytes: bytes
    encoding: str


@lru_cache(maxsize=256)
def find_collation(name: str | None) -> Collation:
    """Find the collation of this name, or the default one; raises SqlServerError 448 for an unknown name."""
    name = name or DEFAULT_COLLATION_NAME
    folded = name.lower()
    sort_id = _SORT_IDS.get(folded, 0)
    base = "latin1_general" if sort_id else _find_designator(folded)
    if base is None:
        raise SqlServerError(448, f"Invalid collation '{name}'.")
    locale_id, encoding = _LOCALES[base]
    words = folded.split("_")
    flags = _read_flags(words)
    if flags & _UTF8:
        encoding = "utf-8"
    version = next((_VERSIONS[word] for word in words if word in _VERSIONS), 0)
    packed = locale_id | flags << 20 | version << 28
    return Collation(name, struct.pack("<IB", packed, sort_id), encoding)


def _find_designator(folded: str) -> str | None:
    return next((base for base in _LOCALES if folded.startswith(base + "_")), None)


def _read_flags(words: list[str]) -> int:
    utf8 = _UTF8 if "utf8" in words else 0
    if "bin2" in words:
        return _BINARY2 | utf8
    if "bin" in words:
        return _BINARY | utf8
    flags = utf8
    for word, flag in (
        ("cs", _IGNORE_CASE),
        ("as", _IGNORE_ACCENT),
        ("ks", _IGNORE_KANA),
        ("ws", _IGNORE_WIDTH),
    ):
        if word not in words:
            flags |= flag
    return flags
