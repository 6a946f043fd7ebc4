"""How the zoo's tables are written down: short words for the model's dataclasses, nothing more.

A type is SQL Server's own text (``decimal(18,4)``, ``nvarchar(max)``); expressions are as ``sys`` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from blb_migration.model import Column, Computed, ForeignKey, Identity, Table, TableName, UniqueKey
from blb_migration.sandbox.emulator.tsql.datatypes import is_text
from blb_migration.sandbox.emulator.tsql.type_names import parse_type

DATABASE_COLLATION = "SQL_Latin1_General_CP1_CI_AS"

Value = object
"""A Python value, or for dates and times SQL Server's text; what is allowed per type is in ``zoo_rows``."""


@dataclass(frozen=True)
class Exhibit:
    """A table and its rows. Rows map column names to values; what they leave out is NULL or computed."""

    table: Table
    rows: tuple[Mapping[str, Value], ...] = ()

    def with_rows(self, rows: Sequence[Mapping[str, Value]]) -> Exhibit:
        """Return the same table with more rows."""
        return replace(self, rows=(*self.rows, *rows))


def column(
    name: str,
    declared: str,
    *,
    required: bool = False,
    alias: str | None = None,
    collation: str | None = None,
    identity: Identity | None = None,
    default: str | None = None,
    computed: Computed | None = None,
    comment: str | None = None,
) -> Column:
    """Return a column; ``required`` is NOT NULL, which an identity column always is."""
    column_type = parse_type(declared)
    has_collation = is_text(column_type) and column_type.name != "xml"
    return Column(
        name=name,
        type=replace(column_type, alias=alias),
        nullable=not (required or identity),
        collation=(collation or DATABASE_COLLATION) if has_collation else None,
        identity=identity,
        default=default,
        computed=computed,
        comment=comment,
    )


def primary_key(table: str, *columns: str) -> UniqueKey:
    """``PK_table`` over the columns, in this order."""
    return UniqueKey(f"PK_{table}", columns)


def foreign_key(
    name: str,
    columns: Sequence[str],
    referred: TableName,
    referred_columns: Sequence[str],
    *,
    trusted: bool = True,
) -> ForeignKey:
    """Return a foreign key without actions; ``trusted`` is False after WITH NOCHECK."""
    return ForeignKey(name, tuple(columns), referred, tuple(referred_columns), trusted=trusted)


def rows_of(names: str, *rows: Sequence[Value]) -> tuple[dict[str, Value], ...]:
    """Rows of the columns in ``names``, which are separated by blanks."""
    columns = names.split()
    return tuple(dict(zip(columns, row, strict=True)) for row in rows)
