"""A compiled expression: its DuckDB text and what SQL Server would say about its type.

Also the spelling of names and constants for DuckDB. Nothing here knows T-SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from blb_migration.model import ColumnType

Constant = str | int | Decimal | float | bytes | None


@dataclass(frozen=True)
class Typed:
    """A value expression.

    ``constant`` is its value when it is known before running (``is_constant``); ``collation`` is
    that of text, strong when written with COLLATE; ``hides_surrogates`` says that text may hold
    characters that stand for lone surrogates.
    """

    sql: str
    type: ColumnType
    nullable: bool = True
    collation: str | None = None
    has_explicit_collation: bool = False
    is_constant: bool = False
    constant: Constant = None
    identity: bool = False
    hides_surrogates: bool = False
    is_untyped_null: bool = False

    def derive(self, sql: str, column_type: ColumnType, nullable: bool | None = None) -> Typed:
        """Another expression over this one: nullability and surrogates are inherited."""
        return Typed(
            sql,
            column_type,
            self.nullable if nullable is None else nullable,
            collation=self.collation,
            has_explicit_collation=self.has_explicit_collation,
            hides_surrogates=self.hides_surrogates,
        )

    def with_sql(self, sql: str) -> Typed:
        """Return the same value, reached by another expression, so no constant any more."""
        return replace(self, sql=sql, is_constant=False, constant=None, is_untyped_null=False)


def quote_name(name: str) -> str:
    """Return a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a DuckDB string; U+0000 cannot stand in SQL text and is concatenated."""
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def quote_bytes(value: bytes) -> str:
    """Return a DuckDB BLOB."""
    return f"from_hex('{value.hex()}')"
