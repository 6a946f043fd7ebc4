"""Type names as T-SQL writes them: from sqlglot's tree, and from text such as ``decimal(18,4)``."""

from __future__ import annotations

import re

from sqlglot import exp

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.datatypes import is_known_type, normalize

_SQLGLOT_NAMES = {
    "double": "float",
    "timestamptz": "datetimeoffset",
    "timestampltz": "datetimeoffset",
    "timestamp": "datetime2",
    "utinyint": "tinyint",
    "boolean": "bit",
    "variant": "sql_variant",
    "uuid": "uniqueidentifier",
    "name": "sysname",
    "smalldatetime": "smalldatetime",
}
_SYNONYMS = {
    "integer": "int", "dec": "decimal", "character": "char", "rowversion": "timestamp",
    "double precision": "float", "national character": "nchar",
}  # fmt: skip
_PATTERN = re.compile(
    r"^\s*\[?([a-z_0-9 ]+?)\]?\s*(?:\(\s*(max|\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$", re.IGNORECASE
)


def read_type(node: exp.Expr, database: Database | None = None, *, is_cast: bool = False) -> ColumnType:
    """Read the type a DataType node stands for; raises error 243 for an unknown one."""
    if isinstance(node, exp.DataType) and not isinstance(node.this, str):
        parameters = [each.name for each in node.expressions]
        name = node.args.get("kind") or str(node.this.value)
        name = getattr(name, "name", name)
        if str(node.this.value).upper() == "USERDEFINED":
            name = str(getattr(node.args.get("kind"), "name", node.args.get("kind")))
        name = _SQLGLOT_NAMES.get(str(name).lower(), str(name))
        text = f"{name}({','.join(parameters)})" if parameters else str(name)
    else:
        text = node.name
    return parse_type(text, database, is_cast=is_cast)


def parse_type(text: str, database: Database | None = None, *, is_cast: bool = False) -> ColumnType:
    """``decimal(18,4)`` as a type. ``is_cast`` selects CAST's default length of 30."""
    match = _PATTERN.match(text)
    name = match[1].lower().strip() if match else text.lower()
    name = _SYNONYMS.get(name, name)
    if match is None or not is_known_type(name):
        alias = database.alias_types.get(name) if database is not None else None
        if alias is not None:
            return alias
        raise SqlServerError(243, f"Type {name} is not a defined system type.")
    first, second = match[2], match[3]
    size = None if first is None or first.lower() == "max" else int(first)
    if name in ("decimal", "numeric"):
        return normalize(ColumnType(name, precision=size, scale=None if second is None else int(second)))
    if name in ("time", "datetime2", "datetimeoffset"):
        return normalize(ColumnType(name, scale=size))
    if name == "float":
        return ColumnType("real" if size is not None and size <= 24 else "float")
    if name in ("char", "nchar", "varchar", "nvarchar", "binary", "varbinary"):
        if first is None:
            size = 30 if is_cast else 1
        return normalize(ColumnType(name, length=size))
    return normalize(ColumnType(name))
