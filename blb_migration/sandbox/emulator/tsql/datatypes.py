"""SQL Server's types as the engine handles them: families, precedence, sizes and storage in DuckDB.

The numbers are those of ``sys.types`` on SQL Server 2019; precedence is the documented order
(https://learn.microsoft.com/sql/t-sql/data-types/data-type-precedence-transact-sql). How values are
converted from one type to another is in ``conversions``.

Storage, where it is not the obvious DuckDB type:

* datetime, smalldatetime, datetime2: BIGINT, ticks of 100 ns since 0001-01-01; time: BIGINT ticks;
* datetimeoffset: STRUCT(ticks BIGINT in UTC, offset_minutes SMALLINT);
* uniqueidentifier: BLOB of 16 bytes in textual order; sql_variant: STRUCT(base_type, value);
* text: VARCHAR, lone surrogates moved to U+10F000..U+10F7FF (see ``surrogates``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from blb_migration.model import ColumnType

Family = Literal[
    "integer",
    "exact",
    "approximate",
    "text",
    "binary",
    "date",
    "time",
    "datetime",
    "datetimeoffset",
    "guid",
    "variant",
    "udt",
]


@dataclass(frozen=True)
class BaseType:
    """One row of ``sys.types``, with the family and the precedence (1 binds strongest)."""

    name: str
    system_type_id: int
    user_type_id: int
    max_length: int
    precision: int
    scale: int
    family: Family
    precedence: int


BASE_TYPES = tuple(
    BaseType(*row)
    for row in (
        ("image", 34, 34, 16, 0, 0, "binary", 22),
        ("text", 35, 35, 16, 0, 0, "text", 21),
        ("uniqueidentifier", 36, 36, 16, 0, 0, "guid", 24),
        ("date", 40, 40, 3, 10, 0, "date", 8),
        ("time", 41, 41, 5, 16, 7, "time", 9),
        ("datetime2", 42, 42, 8, 27, 7, "datetime", 5),
        ("datetimeoffset", 43, 43, 10, 34, 7, "datetimeoffset", 4),
        ("tinyint", 48, 48, 1, 3, 0, "integer", 18),
        ("smallint", 52, 52, 2, 5, 0, "integer", 17),
        ("int", 56, 56, 4, 10, 0, "integer", 16),
        ("smalldatetime", 58, 58, 4, 16, 0, "datetime", 7),
        ("real", 59, 59, 4, 24, 0, "approximate", 11),
        ("money", 60, 60, 8, 19, 4, "exact", 13),
        ("datetime", 61, 61, 8, 23, 3, "datetime", 6),
        ("float", 62, 62, 8, 53, 0, "approximate", 10),
        ("sql_variant", 98, 98, 8016, 0, 0, "variant", 2),
        ("ntext", 99, 99, 16, 0, 0, "text", 20),
        ("bit", 104, 104, 1, 1, 0, "integer", 19),
        ("decimal", 106, 106, 17, 38, 38, "exact", 12),
        ("numeric", 108, 108, 17, 38, 38, "exact", 12),
        ("smallmoney", 122, 122, 4, 10, 4, "exact", 14),
        ("bigint", 127, 127, 8, 19, 0, "integer", 15),
        ("hierarchyid", 240, 128, 892, 0, 0, "udt", 1),
        ("geometry", 240, 129, -1, 0, 0, "udt", 1),
        ("geography", 240, 130, -1, 0, 0, "udt", 1),
        ("varbinary", 165, 165, 8000, 0, 0, "binary", 29),
        ("varchar", 167, 167, 8000, 0, 0, "text", 27),
        ("binary", 173, 173, 8000, 0, 0, "binary", 30),
        ("char", 175, 175, 8000, 0, 0, "text", 28),
        ("timestamp", 189, 189, 8, 0, 0, "binary", 23),
        ("nvarchar", 231, 231, 8000, 0, 0, "text", 25),
        ("nchar", 239, 239, 8000, 0, 0, "text", 26),
        ("xml", 241, 241, -1, 0, 0, "text", 3),
        ("sysname", 231, 256, 256, 0, 0, "text", 25),
    )
)

_BY_NAME = {base.name: base for base in BASE_TYPES} | {
    "rowversion": next(base for base in BASE_TYPES if base.name == "timestamp")
}

INT = ColumnType("int")
BIGINT = ColumnType("bigint")
FLOAT = ColumnType("float")
MONEY = ColumnType("money")
DATE = ColumnType("date")
DATETIME = ColumnType("datetime")
GUID = ColumnType("uniqueidentifier")
SYSNAME = ColumnType("nvarchar", length=128)
NVARCHAR_MAX = ColumnType("nvarchar")
VARCHAR_MAX = ColumnType("varchar")
SQL_VARIANT = ColumnType("sql_variant")

INTEGER_RANGES = {
    "tinyint": (0, 2**8 - 1),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
INTEGER_DIGITS = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_SIZED_TYPES = frozenset({"char", "varchar", "nchar", "nvarchar", "binary", "varbinary"})
UNICODE_TYPES = frozenset({"nchar", "nvarchar", "ntext", "xml"})
_DUCKDB_TYPES = {
    "bit": "BOOLEAN",
    "tinyint": "UTINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "money": "DECIMAL(19,4)",
    "smallmoney": "DECIMAL(10,4)",
    "real": "FLOAT",
    "float": "DOUBLE",
    "date": "DATE",
}
_DUCKDB_FAMILIES: dict[Family, str] = {
    "text": "VARCHAR",
    "binary": "BLOB",
    "udt": "BLOB",
    "guid": "BLOB",
    "time": "BIGINT",
    "datetime": "BIGINT",
    "datetimeoffset": "STRUCT(ticks BIGINT, offset_minutes SMALLINT)",
    "variant": "STRUCT(base_type VARCHAR, value VARCHAR)",
}


def is_known_type(name: str) -> bool:
    """Whether ``name`` (lower case) is a base type."""
    return name in _BY_NAME


def base_type(column_type: ColumnType) -> BaseType:
    """Return the ``sys.types`` row of a type; KeyError for a name that is no base type."""
    return _BY_NAME[column_type.name]


def family(column_type: ColumnType) -> Family:
    """Return what kind of values the type holds."""
    return _BY_NAME[column_type.name].family


def is_text(column_type: ColumnType) -> bool:
    """Whether values are characters (xml included)."""
    return family(column_type) == "text"


def is_max(column_type: ColumnType) -> bool:
    """Whether the type is a (max) or an old large object type."""
    if column_type.name in ("text", "ntext", "image", "xml"):
        return True
    return column_type.name in ("varchar", "nvarchar", "varbinary") and column_type.length is None


def normalize(column_type: ColumnType) -> ColumnType:
    """Return the type with the defaults filled in that SQL Server applies to a column declaration."""
    name = {"rowversion": "rowversion", "timestamp": "rowversion", "sysname": "nvarchar"}.get(
        column_type.name, column_type.name
    )
    length = column_type.length if name in _SIZED_TYPES else None
    precision: int | None = None
    scale: int | None = None
    if column_type.name == "sysname":
        length = 128
    elif name in ("decimal", "numeric"):
        precision = 18 if column_type.precision is None else column_type.precision
        scale = column_type.scale or 0
    elif name in ("time", "datetime2", "datetimeoffset"):
        scale = 7 if column_type.scale is None else column_type.scale
    elif name in ("char", "nchar", "binary") and length is None:
        length = 1
    return ColumnType(name, length, precision, scale, column_type.alias)


def duckdb_type(column_type: ColumnType) -> str:
    """Return the type a column of this type is stored in."""
    if column_type.name in ("decimal", "numeric"):
        return f"DECIMAL({column_type.precision},{column_type.scale})"
    return _DUCKDB_TYPES.get(column_type.name) or _DUCKDB_FAMILIES[family(column_type)]


def decimal_digits(column_type: ColumnType) -> tuple[int, int]:
    """Precision and scale of the decimal an integer or exact number converts to."""
    if column_type.name in ("decimal", "numeric"):
        return column_type.precision or 18, column_type.scale or 0
    if column_type.name in ("money", "smallmoney"):
        return base_type(column_type).precision, 4
    return INTEGER_DIGITS[column_type.name], 0


def fraction_digits(column_type: ColumnType) -> int:
    """Digits of a second that the temporal type shows."""
    return {"datetime": 3, "smalldatetime": 0, "date": 0}.get(column_type.name, column_type.scale or 0)


def byte_length(column_type: ColumnType) -> int:
    """``sys.columns.max_length``: bytes, -1 for (max)."""
    base = base_type(column_type)
    if base.name in ("varchar", "nvarchar", "varbinary", "char", "nchar", "binary"):
        if column_type.length is None:
            return -1
        return column_type.length * (2 if base.name.startswith("n") else 1)
    if base.name in ("decimal", "numeric"):
        precision = column_type.precision or 18
        return 5 if precision < 10 else 9 if precision < 20 else 13 if precision < 29 else 17
    if base.name in ("time", "datetime2", "datetimeoffset"):
        scale = 7 if column_type.scale is None else column_type.scale
        time_bytes = 3 if scale < 3 else 4 if scale < 5 else 5
        return time_bytes + {"time": 0, "datetime2": 3, "datetimeoffset": 5}[base.name]
    return base.max_length


def catalog_digits(column_type: ColumnType) -> tuple[int, int]:
    """``precision`` and ``scale`` as ``sys.columns`` shows them."""
    base = base_type(column_type)
    if base.name in ("decimal", "numeric"):
        return column_type.precision or 18, column_type.scale or 0
    if base.name in ("time", "datetime2", "datetimeoffset"):
        scale = 7 if column_type.scale is None else column_type.scale
        whole = {"time": 8, "datetime2": 19, "datetimeoffset": 26}[base.name]
        return whole + (scale + 1 if scale else 0), scale
    return base.precision, base.scale
