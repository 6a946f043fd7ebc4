"""How text compares: collations, comparison keys, and which collation wins.

SQL Server ignores trailing spaces when it compares text, under every collation. A key is the text
that two values share exactly when they are equal. Order under a linguistic collation is
approximated by the order of the keys; ``_BIN2`` and ``_BIN`` order is exact below U+10000.
"""

from __future__ import annotations

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.typed import Typed

_STEMS = ("latin1_general", "sql_latin1_general", "german_phonebook", "french", "finnish_swedish", "danish")


def is_binary(collation: str) -> bool:
    """Whether text compares by its code units."""
    return collation.upper().endswith(("_BIN", "_BIN2", "_BIN2_UTF8"))


def is_case_insensitive(collation: str) -> bool:
    """Whether upper and lower case are the same."""
    return "_CI" in collation.upper()


def is_accent_insensitive(collation: str) -> bool:
    """Whether accents are ignored."""
    return "_AI" in collation.upper()


def check_collation(name: str) -> str:
    """Return the name itself; raises error 448 for a name that is no collation."""
    known = "_CI" in name.upper() or "_CS" in name.upper() or is_binary(name)
    if not known or not name.lower().startswith(
        (
            *_STEMS,
            "modern_spanish",
            "japanese",
            "chinese",
            "turkish",
            "polish",
            "czech",
            "cyrillic",
            "greek",
            "icelandic",
        )
    ):
        raise SqlServerError(448, f"Invalid collation '{name}'.")
    return name


def winning_collation(left: Typed, right: Typed, default: str, operation: str) -> str:
    """Return the collation of a comparison; raises error 468 when both sides insist on different ones."""
    if left.has_explicit_collation and not right.has_explicit_collation:
        return left.collation or default
    if right.has_explicit_collation and not left.has_explicit_collation:
        return right.collation or default
    if left.collation and right.collation and left.collation.lower() != right.collation.lower():
        raise SqlServerError(
            468,
            f'Cannot resolve the collation conflict between "{right.collation}" and "{left.collation}" '
            f"in the {operation} operation.",
            state=9,
        )
    return left.collation or right.collation or default


def comparison_key(sql: str, collation: str) -> str:
    """Return the DuckDB text of the value's key under the collation."""
    key = f"rtrim({sql}, ' ')"
    if is_binary(collation):
        return key
    if is_accent_insensitive(collation):
        key = f"strip_accents({key})"
    return f"lower({key})" if is_case_insensitive(collation) else key
