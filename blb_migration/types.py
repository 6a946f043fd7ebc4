"""The types of both engines: one table of facts for each, and nothing about what may become what.

Sources: SQL Server's "Data types (Transact-SQL)", PostgreSQL's chapter 8 "Data Types"; the Arrow types are
those of mssql-python 1.16, read and tested. Which pairs may be loaded is ``plan/type_pairs.py``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from blb_migration.model import ColumnType

# What PostgreSQL takes of one row when it comes in, before long values are put aside: MaxAllocSize of its
# source, less what the fields' lengths and the row's header take of it.
LARGEST_ROW_BYTES = 2**30 - 2**16


class Family(StrEnum):
    """What kind of value a type holds, in either engine."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    DOCUMENT = "document"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    INSTANT = "instant"
    UUID = "uuid"
    OTHER = "other"


MOMENTS = (Family.DATE, Family.TIME, Family.TIMESTAMP, Family.INSTANT)
EXACT_NUMBERS = (Family.INTEGER, Family.DECIMAL)


@dataclass(frozen=True)
class SourceType:
    """One SQL Server type.

    ``arrow`` is the Arrow type in which it is read, ``arrow_bytes`` and ``fetched_bytes`` a value's bytes
    in a batch and in the driver's buffer, None where the length decides. ``created_as`` is the PostgreSQL
    type it is created as; lengths and digits are the column's. ``range`` has the least and the greatest
    integer, ``digits`` precision and scale where they are fixed, ``fraction_digits`` those of a second.
    ``is_sized``: declared with a length. ``is_clean``: holds neither U+0000 nor half a surrogate pair.
    """

    name: str
    family: Family
    arrow: str
    created_as: str
    arrow_bytes: int | None = None
    fetched_bytes: int | None = None
    range: tuple[int, int] | None = None
    digits: tuple[int, int] | None = None
    fraction_digits: int | None = None
    is_sized: bool = False
    is_padded: bool = False
    is_unicode: bool = False
    is_clean: bool = False


@dataclass(frozen=True)
class TargetType:
    """One PostgreSQL type; ``bytes`` of a value in binary form, None where it varies."""

    name: str
    family: Family
    bytes: int | None = None
    range: tuple[int, int] | None = None


def _signed(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


_TEXT = "large_string"
_BYTES = "large_binary"
_LOCAL = "timestamp without time zone"
_GUID_CHARACTERS = 36
# Every type a column can have: sysname and user-defined alias types are read as their base type, timestamp is
# rowversion, cursor and table are no types of columns.
SOURCE_TYPES: Mapping[str, SourceType] = {
    each.name: each
    for each in (
        SourceType("bit", Family.BOOLEAN, "bool", "boolean", 1, 1, digits=(1, 0)),
        SourceType("tinyint", Family.INTEGER, "uint8", "smallint", 1, 1, (0, 255), (3, 0)),
        SourceType("smallint", Family.INTEGER, "int16", "smallint", 2, 2, _signed(16), (5, 0)),
        SourceType("int", Family.INTEGER, "int32", "integer", 4, 4, _signed(32), (10, 0)),
        SourceType("bigint", Family.INTEGER, "int64", "bigint", 8, 8, _signed(64), (19, 0)),
        SourceType("decimal", Family.DECIMAL, "decimal128(p, s)", "numeric", 16, 19),
        SourceType("numeric", Family.DECIMAL, "decimal128(p, s)", "numeric", 16, 19),
        SourceType("money", Family.DECIMAL, "decimal128(19, 4)", "numeric", 16, 19, digits=(19, 4)),
        SourceType("smallmoney", Family.DECIMAL, "decimal128(10, 4)", "numeric", 16, 19, digits=(10, 4)),
        SourceType("real", Family.FLOAT, "float", "real", 4, 4),
        SourceType("float", Family.FLOAT, "double", "double precision", 8, 8),
        SourceType("char", Family.TEXT, _TEXT, "character", is_sized=True, is_padded=True),
        SourceType("varchar", Family.TEXT, _TEXT, "character varying", is_sized=True),
        SourceType("text", Family.TEXT, _TEXT, "text"),
        SourceType("nchar", Family.TEXT, _TEXT, "character", is_sized=True, is_padded=True, is_unicode=True),
        SourceType("nvarchar", Family.TEXT, _TEXT, "character varying", is_sized=True, is_unicode=True),
        SourceType("ntext", Family.TEXT, _TEXT, "text", is_unicode=True),
        SourceType("sysname", Family.TEXT, _TEXT, "character varying", is_unicode=True),
        SourceType("xml", Family.DOCUMENT, _TEXT, "text", is_clean=True),
        SourceType("json", Family.DOCUMENT, _TEXT, "json", is_clean=True),
        SourceType("vector", Family.OTHER, _TEXT, "text", is_clean=True),
        SourceType("sql_variant", Family.OTHER, _TEXT, "text", is_unicode=True),
        # Its ToString() is nvarchar(4000).
        SourceType("hierarchyid", Family.OTHER, _TEXT, "text", 8, 8002, is_clean=True),
        SourceType("uniqueidentifier", Family.UUID, _TEXT, "uuid", _GUID_CHARACTERS, 16),
        SourceType("binary", Family.BINARY, _BYTES, "bytea", is_sized=True, is_padded=True),
        SourceType("varbinary", Family.BINARY, _BYTES, "bytea", is_sized=True),
        SourceType("image", Family.BINARY, _BYTES, "bytea"),
        SourceType("rowversion", Family.BINARY, _BYTES, "bytea", 8, 8),
        SourceType("geography", Family.OTHER, _BYTES, "bytea"),
        SourceType("geometry", Family.OTHER, _BYTES, "bytea"),
        SourceType("date", Family.DATE, "date32", "date", 4, 6, fraction_digits=0),
        SourceType("time", Family.TIME, "time64[ns]", "time without time zone", 8, 16),
        SourceType("datetime", Family.TIMESTAMP, "timestamp[us]", _LOCAL, 8, 16, fraction_digits=3),
        SourceType("smalldatetime", Family.TIMESTAMP, "timestamp[us]", _LOCAL, 8, 16, fraction_digits=0),
        SourceType("datetime2", Family.TIMESTAMP, "timestamp[us]", _LOCAL, 8, 16),
        SourceType("datetimeoffset", Family.INSTANT, "timestamp[us, UTC]", "timestamp with time zone", 8, 20),
    )
}
TARGET_TYPES: Mapping[str, TargetType] = {
    each.name: each
    for each in (
        TargetType("boolean", Family.BOOLEAN, 1, (0, 1)),
        TargetType("smallint", Family.INTEGER, 2, _signed(16)),
        TargetType("integer", Family.INTEGER, 4, _signed(32)),
        TargetType("bigint", Family.INTEGER, 8, _signed(64)),
        TargetType("numeric", Family.DECIMAL),
        TargetType("real", Family.FLOAT, 4),
        TargetType("double precision", Family.FLOAT, 8),
        TargetType("character varying", Family.TEXT),
        TargetType("character", Family.TEXT),
        TargetType("text", Family.TEXT),
        TargetType("citext", Family.TEXT),
        TargetType("json", Family.DOCUMENT),
        TargetType("jsonb", Family.DOCUMENT),
        TargetType("xml", Family.DOCUMENT),
        TargetType("bytea", Family.BINARY),
        TargetType("uuid", Family.UUID, 16),
        TargetType("date", Family.DATE, 4),
        TargetType("time without time zone", Family.TIME, 8),
        # Not a moment: printed as the server's IntervalStyle has it.
        TargetType("interval", Family.OTHER, 16),
        TargetType(_LOCAL, Family.TIMESTAMP, 8),
        TargetType("timestamp with time zone", Family.INSTANT, 8),
    )
}


_UNKNOWN = SourceType("", Family.OTHER, "", "")


def look_up_source(column_type: ColumnType) -> SourceType:
    """Return the facts of a SQL Server type; of one that nobody knows there are none."""
    return SOURCE_TYPES.get(column_type.name, _UNKNOWN)


def name_source_types(*families: Family, is_unicode: bool | None = None) -> tuple[str, ...]:
    """Return the names of SQL Server's types of these families; of either kind of text by default."""
    return tuple(
        each.name
        for each in SOURCE_TYPES.values()
        if each.family in families and is_unicode in (None, each.is_unicode)
    )


def name_target_types(*families: Family) -> tuple[str, ...]:
    """Return the names of PostgreSQL's types of these families."""
    return tuple(each.name for each in TARGET_TYPES.values() if each.family in families)


SIZED_TEXTS = tuple(
    each.name for each in SOURCE_TYPES.values() if each.is_sized and each.family is Family.TEXT
)
"""Texts that a key of SQL Server may have."""


def decimal_shape(source: ColumnType) -> tuple[int, int]:
    """Return (precision, scale) of an exact number type, in decimal digits."""
    return look_up_source(source).digits or (source.precision or 18, source.scale or 0)
