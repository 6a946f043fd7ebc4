"""Catalogs for tests, written as short as a table on paper; of either engine. Creates and reads nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from blb_migration.model import (
    Catalog,
    Column,
    ColumnType,
    EngineName,
    ForeignKey,
    Identity,
    Index,
    IndexColumn,
    Table,
    TableName,
    UniqueKey,
)

COLLATION = "SQL_Latin1_General_CP1_CI_AS"
_COLUMN = re.compile(
    r"(?P<name>\S+) (?P<type>[a-z].*?)"
    r"(?P<required> not null)?( identity\((?P<seed>-?\d+),(?P<step>-?\d+)(,(?P<last>-?\d+))?\))?"
)
_TYPE = re.compile(r"(?P<base>[a-z][a-z0-9_ ]*)(\((?P<numbers>max|[\d,]+)\))?")
_COLLATED = frozenset({"char", "nchar", "varchar", "nvarchar", "text", "ntext"})


def column_type(declared: str) -> ColumnType:
    """``decimal(18,4)``, ``nvarchar(max)``, ``timestamp without time zone`` as a type."""
    match = _TYPE.fullmatch(declared)
    assert match is not None, declared
    base, numbers = match["base"], match["numbers"]
    if numbers is None or numbers == "max":
        return ColumnType(base)
    parts = [int(number) for number in numbers.split(",")]
    if base in ("decimal", "numeric"):
        return ColumnType(base, precision=parts[0], scale=parts[1])
    if base.startswith(("time", "datetime")):
        return ColumnType(base, scale=parts[0])
    return ColumnType(base, parts[0])


def column(spec: str, **facts: Any) -> Column:
    """``total decimal(18,4) not null`` or ``id int identity(1,1)`` as a column; ``facts`` are the model's.

    ``identity(seed,step,last)`` is one that handed out numbers up to ``last``; such a column is not null.
    """
    match = _COLUMN.fullmatch(spec)
    assert match is not None, spec
    if match["seed"]:
        last = None if match["last"] is None else int(match["last"])
        facts = {"identity": Identity(int(match["seed"]), int(match["step"]), last), **facts}
    nullable = match["required"] is None and match["seed"] is None
    return Column(match["name"], column_type(match["type"]), nullable, **facts)


def index(name: str, *columns: str, **facts: Any) -> Index:
    """Return an index; a column of it may end in `` desc``."""
    keys = (IndexColumn(each.removesuffix(" desc"), descending=each.endswith(" desc")) for each in columns)
    return Index(name, tuple(keys), **facts)


def table(
    name: str,
    *columns: str | Column,
    references: Mapping[str, str] | None = None,
    schema: str = "dbo",
    key: str | Sequence[str] = "id",
    collation: str | None = None,
    **parts: Any,
) -> Table:
    """Return a table whose primary key is ``key``, if it has such columns; ``parts`` are the model's.

    ``references`` map a column to the table whose ``id`` it refers to. Texts without one have ``collation``.
    """
    parsed = tuple(column(each) if isinstance(each, str) else each for each in columns)
    if collation is not None:
        parsed = tuple(_collate(each, collation) for each in parsed)
    keys = (key,) if isinstance(key, str) else tuple(key)
    if keys and {*keys} <= {each.name for each in parsed}:
        parts = {"primary_key": UniqueKey(f"pk_{name}", keys), **parts}
    if references:
        parts["foreign_keys"] = tuple(
            ForeignKey(f"fk_{name}_{source}", (source,), TableName(schema, referred), ("id",))
            for source, referred in references.items()
        )
    return Table(TableName(schema, name), parsed, **parts)


def catalog(engine: EngineName, *tables: Table) -> Catalog:
    """Return a catalog of these tables, sorted as the readers sort them."""
    return Catalog(engine, "db", "1.0", None, tuple(sorted(tables, key=lambda item: item.name)))


def _collate(own: Column, collation: str) -> Column:
    is_text = own.type.name in _COLLATED and own.collation is None
    return replace(own, collation=collation) if is_text else own
