"""What changed in a table's definition since before the load: each thing by name, from what, to what.

The facts are ``postgres/fingerprint.py``'s, one JSON array each. No SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from blb_migration.checks import Comparison

AS_BEFORE = "definitions as before the load"
NOT_THERE = "not there"

Fact = list[Any]

# What stands in a fact of each kind behind the kind and the table. An empty word is not told: it is told
# with the thing's name, or only orders it.
_WORDS = {
    "table": (
        "kind",
        "persistence",
        "row security",
        "forced row security",
        "replica identity",
        "storage options",
        "rights",
        "owner",
        "comment",
    ),
    "column": (
        "position",
        "",
        "type",
        "NOT NULL",
        "identity",
        "generated",
        "collation",
        "storage",
        "statistics target",
        "rights",
        "options",
        "default",
        "comment",
    ),
    "constraint": ("", "definition", "validated", "deferrable", "deferred", "local", "comment"),
    "index": (
        "definition",
        "clustered",
        "replica identity",
        "valid",
        "tablespace",
        "comment",
        "statistics targets",
    ),
    "trigger": ("definition", "enabled", "comment"),
    "sequence": (
        "column number",
        "dependency",
        "",
        "type",
        "start",
        "smallest number",
        "largest number",
        "cache",
        "cycle",
    ),
    "policy": ("", "command", "permissive", "condition", "check"),
    "rule": ("definition", "enabled"),
}
_PLACE_OF_NAME = {"column": 3, "constraint": 2, "sequence": 4, "policy": 2}
_NAME_IN_DEFINITION = re.compile(
    r'CREATE (?:UNIQUE |OR REPLACE |CONSTRAINT )*(?:INDEX|TRIGGER|RULE) ("(?:[^"]|"")+"|[^\s("]+)'
)


def compare_definitions(before: Sequence[str], after: Sequence[str]) -> tuple[Comparison, ...]:
    """Compare the facts; one comparison for each thing that changed, or one that all is as it was."""
    if set(before) == set(after):
        return (Comparison(AS_BEFORE, f"{len(before)} facts", f"{len(after)} facts", True),)
    return tuple(_list_changes(_index(set(before) - set(after)), _index(set(after) - set(before))))


def is_of_definition(comparison: Comparison) -> bool:
    """Whether it is about a definition, which somebody may have changed on purpose."""
    return comparison.name.startswith(("definition of ", AS_BEFORE))


def _index(facts: set[str]) -> dict[tuple[str, str], Fact]:
    return {_name(fact): fact for fact in sorted(map(json.loads, facts), key=json.dumps)}


def _name(fact: Fact) -> tuple[str, str]:
    """Return the kind and the name of the thing that the fact is about."""
    kind = str(fact[0])
    if kind in _PLACE_OF_NAME:
        return kind, str(fact[_PLACE_OF_NAME[kind]])
    if kind == "table":
        return kind, ""
    matched = _NAME_IN_DEFINITION.match(str(fact[2]))
    return kind, matched[1] if matched else str(fact[2])


def _list_changes(
    gone: dict[tuple[str, str], Fact], new: dict[tuple[str, str], Fact]
) -> Iterator[Comparison]:
    for name in sorted({*gone, *new}):
        old_fact, new_fact = gone.get(name), new.get(name)
        if old_fact is not None and new_fact is not None:
            yield from _compare_facts(old_fact, new_fact)
            continue
        fact = old_fact or new_fact
        assert fact is not None
        told = _describe(fact)
        subject = f"definition of {_place(fact)}"
        if new_fact is None:
            yield Comparison(subject, told, "gone", False)
        else:
            yield Comparison(subject, NOT_THERE, told, False)


def _compare_facts(old: Fact, new: Fact) -> Iterator[Comparison]:
    words = _WORDS.get(str(old[0]), ())
    for position, (before, after) in enumerate(zip(old[2:], new[2:], strict=True)):
        if before != after:
            word = words[position] if position < len(words) else ""
            yield Comparison(
                f"definition of {_place(old)}{f', {word}' if word else ''}",
                _show(before),
                _show(after),
                False,
            )


def _place(fact: Fact) -> str:
    kind, name = _name(fact)
    table = str(fact[1])
    return f"table {table}" if kind == "table" else f"{kind} {name} of {table}"


def _describe(fact: Fact) -> str:
    """Return what is told of a thing that is gone or new: its definition, of a column its type."""
    words = _WORDS.get(str(fact[0]), ())
    for wanted in ("definition", "type", "command"):
        if wanted in words:
            return _show(fact[2 + words.index(wanted)])
    return _show(fact[2])


def _show(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
