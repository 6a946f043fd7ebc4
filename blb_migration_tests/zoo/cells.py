"""Both databases cell by cell, read without the product: plain fetchall on one side, psycopg on the other.

Each value becomes text by the rules here, which know nothing of the product's converters; rows are compared
as multisets. The declared rules hold: a seventh digit of a second is cut off, blanks that pad a
``character(n)`` do not count, and JSON is equal when its documents are.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import mssql_python
import psycopg
from psycopg import sql

_SOURCE_COLUMNS = """
SELECT s.name, o.name, c.name, COALESCE(b.name, u.name)
FROM sys.columns AS c
JOIN sys.tables AS o ON o.object_id = c.object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
JOIN sys.types AS u ON u.user_type_id = c.user_type_id
LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id
ORDER BY s.name, o.name, c.column_id
"""
_TARGET_COLUMNS = """
SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'blb_migration')
"""

_SOURCE_FORMS = {
    **dict.fromkeys(("time", "datetime", "smalldatetime", "datetime2"), "CONVERT(varchar(40), {0}, 121)"),
    "date": "CONVERT(varchar(40), {0}, 23)",
    "datetimeoffset": "CONVERT(varchar(40), SWITCHOFFSET({0}, '+00:00'), 121)",
    "xml": "CAST({0} AS nvarchar(max))",
    "text": "CAST({0} AS varchar(max))",
    "ntext": "CAST({0} AS nvarchar(max))",
    "image": "CAST({0} AS varbinary(max))",
    "hierarchyid": "{0}.ToString()",
    "geometry": "{0}.STAsBinary()",
    "geography": "{0}.STAsBinary()",
    "sql_variant": (
        "CASE SQL_VARIANT_PROPERTY({0}, 'BaseType') "
        "WHEN 'datetime' THEN CONVERT(nvarchar(40), CAST({0} AS datetime2(3)), 121) "
        "WHEN 'money' THEN CAST(CAST({0} AS decimal(19, 4)) AS nvarchar(40)) "
        "ELSE CAST({0} AS nvarchar(4000)) END"
    ),
}
_TARGET_FORMS = {
    "timestamp without time zone": "to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')",
    "timestamp with time zone": "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    "time without time zone": "to_char({}::interval, 'HH24:MI:SS.US')",
    **dict.fromkeys(("date", "uuid", "json", "jsonb", "character", "xml"), "{}::text"),
}
_DAY_AND_TIME = ("datetime", "smalldatetime", "datetime2", "datetimeoffset")


@dataclass(frozen=True)
class Difference:
    """Rows that only one side has, as texts by column, and how often."""

    table: str
    only_source: Mapping[tuple[str | None, ...], int]
    only_target: Mapping[tuple[str | None, ...], int]

    def __str__(self) -> str:
        shown = [f"source {dict(self.only_source)}", f"target {dict(self.only_target)}"]
        return f"{self.table}: only " + ", ".join(text[:1000] for text in shown)


def find_differences(
    source_connection_string: str,
    target_url: str,
    rename: Callable[[str], str],
    schemas: Mapping[str, str],
    only: str | None = None,
) -> tuple[list[Difference], int]:
    """Every difference, and the number of cells that were compared.

    ``rename`` gives a source name as the target spells it, ``schemas`` the target schema of a source schema
    that is called otherwise there, ``only`` restricts it to the ``schema.table`` of the source.
    """
    differences: list[Difference] = []
    cell_count = 0
    source = mssql_python.connect(source_connection_string)
    try:
        with psycopg.connect(target_url, autocommit=True) as target:
            target_types = {row[:3]: row[3] for row in target.execute(_TARGET_COLUMNS)}
            for (schema, table), columns in _group(_fetch(source, _SOURCE_COLUMNS)).items():
                if only not in (None, f"{schema}.{table}"):
                    continue
                place = schemas.get(schema, rename(schema)), rename(table)
                kinds = [(name, kind, target_types[(*place, rename(name))]) for name, kind in columns.items()]
                source_rows = Counter(_read_source(source, schema, table, kinds))
                target_rows = Counter(_read_target(target, place, kinds, rename))
                cell_count += source_rows.total() * len(kinds)
                if source_rows != target_rows:
                    differences.append(
                        Difference(f"{schema}.{table}", source_rows - target_rows, target_rows - source_rows)
                    )
    finally:
        source.close()
    return differences, cell_count


def _group(rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], dict[str, str]]:
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in rows:
        tables.setdefault((schema, table), {})[column] = kind
    return tables


def _fetch(connection: mssql_python.Connection, statement: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    try:
        return [tuple(row) for row in cursor.execute(statement).fetchall()]
    finally:
        cursor.close()


Kinds = list[tuple[str, str, str]]


def _read_source(
    connection: mssql_python.Connection, schema: str, table: str, kinds: Kinds
) -> Iterator[tuple[str | None, ...]]:
    def quote(name: str) -> str:
        return f"[{name.replace(']', ']]')}]"

    selected = ", ".join(_SOURCE_FORMS.get(kind, "{0}").format(quote(name)) for name, kind, _ in kinds)
    for row in _fetch(connection, f"SELECT {selected} FROM {quote(schema)}.{quote(table)}"):
        yield tuple(
            None if value is None else _spell(value, kind, target_kind)
            for value, (_, kind, target_kind) in zip(row, kinds, strict=True)
        )


def _read_target(
    connection: psycopg.Connection[tuple[Any, ...]],
    place: tuple[str, str],
    kinds: Kinds,
    rename: Callable[[str], str],
) -> Iterator[tuple[str | None, ...]]:
    selected = sql.SQL(", ").join(
        sql.SQL(_TARGET_FORMS.get(target_kind, "{}")).format(sql.Identifier(rename(name)))
        for name, _, target_kind in kinds
    )
    for row in connection.execute(sql.SQL("SELECT {} FROM {}").format(selected, sql.Identifier(*place))):
        yield tuple(
            None if value is None else _spell(value, kind, target_kind)
            for value, (_, kind, target_kind) in zip(row, kinds, strict=True)
        )


def _spell(value: Any, kind: str, target_kind: str) -> str:  # noqa: PLR0911  # one form each
    """Return a value of either side as text, by the source's type."""
    if target_kind in ("json", "jsonb"):
        return json.dumps(json.loads(value, parse_float=str), sort_keys=True)
    if kind in ("float", "real"):
        return struct.pack(">d" if kind == "float" else ">f", value).hex()
    if kind in _DAY_AND_TIME or kind == "time":
        return _spell_moment(value)
    if kind == "uniqueidentifier":
        return str(value).upper()
    if isinstance(value, Decimal | int):
        return _spell_number(Decimal(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return value.rstrip(" ") if target_kind == "character" else str(value)


def _spell_moment(text: str) -> str:
    text = text.removesuffix(" +00:00")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction[:6].ljust(6, '0')}"


def _spell_number(number: Decimal) -> str:
    """All digits, without zeros at the end: bits are 0 and 1."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
