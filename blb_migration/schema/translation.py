"""What the translation of T-SQL expressions speaks in: typed pieces of PostgreSQL's SQL, and refusals.

No grammar here: ``values`` and ``conditions`` translate single nodes, ``expressions`` ties them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from blb_migration.model import Column, ColumnType
from blb_migration.types import decimal_shape

Kind = Literal[
    "integer", "decimal", "money", "real", "float", "text", "boolean", "date", "timestamp", "uuid", "null",
    "other",
]  # fmt: skip

EXACT_NUMBERS: tuple[Kind, ...] = ("integer", "decimal", "money")
NUMBERS: tuple[Kind, ...] = (*EXACT_NUMBERS, "real", "float")

_KINDS_BY_TARGET: dict[str, Kind] = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "decimal",
    "real": "real",
    "double precision": "float",
    "boolean": "boolean",
    "character varying": "text",
    "character": "text",
    "text": "text",
    "citext": "text",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "uuid": "uuid",
}


class Untranslatable(Exception):
    """An expression that nobody has shown to mean the same in PostgreSQL; the message says why."""


@dataclass(frozen=True)
class Value:
    """A translated value: its SQL, and as much of its type as other translations depend on.

    ``precision`` and ``scale`` are decimal digits of exact numbers, ``length`` characters of texts (None:
    unlimited). ``literal`` is the text or number as written, for literals alone. ``column`` is set for a
    plain column.
    """

    sql: str
    kind: Kind
    precision: int = 38
    scale: int = 0
    length: int | None = None
    literal: str | None = None
    column: ColumnPair | None = None


@dataclass(frozen=True)
class ColumnPair:
    """A source column and the target column that is created for it."""

    source: Column
    target: Column
    ignores_case: bool = False

    @property
    def is_padded(self) -> bool:
        """Whether it is char(n): PostgreSQL drops its trailing blanks in most operations."""
        return self.target.type.name == "character"


@dataclass(frozen=True)
class Scope:
    """The columns an expression may name, by their source names.

    ``exact_text`` compares texts as they are written; else what the source's collation ignores
    (letter case, trailing blanks) is ignored here too.
    """

    columns: Mapping[str, ColumnPair]
    exact_text: bool = False

    def find(self, name: str) -> ColumnPair | None:
        """Find the column of exactly that name, else one that differs by letter case alone."""
        return find_pair(self.columns, name)

    def with_exact_text(self) -> Scope:
        """Return the same columns, texts compared as they are written."""
        return replace(self, exact_text=True)


def find_pair(pairs: Mapping[str, ColumnPair], name: str) -> ColumnPair | None:
    """Find the column of exactly that source name, else one that differs by letter case alone."""
    if name in pairs:
        return pairs[name]
    return next((pair for key, pair in pairs.items() if key.lower() == name.lower()), None)


class Translator(Protocol):
    """Translates whole expressions; what the functions for single nodes are given to go on with."""

    scope: Scope

    def value(self, node: Any) -> Value:
        """Return a node that yields a value. Raises Untranslatable."""
        ...

    def condition(self, node: Any) -> str:
        """Return a node that is true, false or unknown, as SQL. Raises Untranslatable."""
        ...


def kind_of(source: ColumnType, target: ColumnType) -> Kind:
    """Return what the values of a column are, to an expression."""
    if source.name in ("money", "smallmoney"):
        return "money"
    return _KINDS_BY_TARGET.get(target.name, "other")


def digits_of(source: ColumnType, kind: Kind) -> tuple[int, int]:
    """(precision, scale) of a column's exact numbers; (38, 0) for what is none."""
    return decimal_shape(source) if kind in EXACT_NUMBERS and source.name != "bit" else (38, 0)
