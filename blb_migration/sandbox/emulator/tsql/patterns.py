"""LIKE and PATINDEX patterns as regular expressions of DuckDB's engine (RE2).

SQL Server compares UTF-16 code units: when a pattern names surrogates, text and pattern are both
spread into units first.
"""

from __future__ import annotations

import re

from blb_migration.sandbox.emulator.tsql.collation_rules import is_case_insensitive
from blb_migration.sandbox.emulator.tsql.surrogates import has_hidden_surrogates, split_into_units


def build_like_regex(pattern: str, escape: str | None, collation: str) -> str:
    """Build a pattern that must match the whole text; group 1 spans what stands between outer ``%``."""
    if has_hidden_surrogates(pattern):
        pattern = split_into_units(pattern)
    pieces: list[str] = []
    index = 0
    while index < len(pattern):
        character = pattern[index]
        if escape and character == escape and index + 1 < len(pattern):
            index += 1
            pieces.append(_literal(pattern[index]))
        elif character == "%":
            pieces.append(".*")
        elif character == "_":
            pieces.append(".")
        elif character == "[" and (end := pattern.find("]", index + 1)) > index:
            pieces.append(_character_class(pattern[index + 1 : end], escape))
            index = end
        else:
            pieces.append(_literal(character))
        index += 1
    flags = "(?is)" if is_case_insensitive(collation) else "(?s)"
    return flags + "".join(pieces)


def _character_class(body: str, escape: str | None) -> str:
    negated = body.startswith("^")
    characters = body[1:] if negated else body
    if not characters:
        return "." if negated else r"[^\x{0}-\x{10FFFF}]"
    if escape:
        characters = re.sub(re.escape(escape) + "(.)", r"\1", characters)
    pieces: list[str] = []
    index = 0
    while index < len(characters):
        if index + 2 < len(characters) and characters[index + 1] == "-":
            first, last = characters[index], characters[index + 2]
            if first <= last:
                pieces.append(f"{_literal(first)}-{_literal(last)}")
            index += 3
        else:
            pieces.append(_literal(characters[index]))
            index += 1
    return f"[{'^' if negated else ''}{''.join(pieces)}]"


def _literal(character: str) -> str:
    return character if character.isalnum() and character.isascii() else f"\\x{{{ord(character):X}}}"
