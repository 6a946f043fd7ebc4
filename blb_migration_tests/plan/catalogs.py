"""Small catalogs for the plan's tests, written as short as a table on paper."""

from __future__ import annotations

import re

from blb_migration.model import (
    Catalog,
    Column,
    ColumnType,
    EngineName,
    ForeignKey,
    Table,
    TableName,
    UniqueKey,
)


def column(spec: str) -> Column:
    """``'total decimal(18,4) not null'`` as a column; a trailing ``not null`` is the only flag."""
    match = re.fullmatch(r"(\w+) ([a-z ]+?[a-z0-9 ]*?)(?:\(([\d,]+)\))?( not null)?", spec)
    assert match is not None, spec
    name, base, numbers, not_null = match.groups()
    parts = [int(number) for number in numbers.split(",")] if numbers else []
    length = precision = scale = None
    if base in ("decimal", "numeric") and parts:
        precision, scale = parts
    elif parts and base.startswith(("time", "datetime")):
        scale = parts[0]
    elif parts:
        length = parts[0]
    return Column(name, ColumnType(base, length, precision, scale), nullable=not_null is None)


def table(
    name: str, *columns: str, references: dict[str, str] | None = None, schema: str = "dbo", key: str = "id"
) -> Table:
    """Return a table whose primary key is ``key`` and whose ``references`` map a column to a table."""
    foreign_keys = tuple(
        ForeignKey(f"fk_{name}_{source}", (source,), TableName(schema, referred), ("id",))
        for source, referred in (references or {}).items()
    )
    parsed = tuple(column(spec) for spec in columns)
    names = {item.name for item in parsed}
    primary_key = UniqueKey(f"pk_{name}", (key,)) if key in names else None
    return Table(TableName(schema, name), parsed, primary_key, foreign_keys=foreign_keys)


def catalog(engine: EngineName, *tables: Table) -> Catalog:
    """Return a catalog of these tables, sorted as the readers sort them."""
    ordered = tuple(sorted(tables, key=lambda item: item.name))
    return Catalog(engine, "db", "1.0", None, ordered)
