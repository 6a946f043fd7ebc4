"""COLMETADATA: how a result's columns are declared ahead of its rows ([MS-TDS] 2.2.7.4).

The declaration decides how each value is laid out in a row; ``row_tokens`` follows it. Nullable forms
(INTN, FLTN, …) are used for all columns; whether a column allows NULL is said by its flags.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import ResultColumn
from blb_migration.sandbox.emulator.tds.collation import find_collation

COLMETADATA_TOKEN = b"\x81"
UNLIMITED = 0xFFFF

INTEGER_WIDTHS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
FLOAT_WIDTHS = {"real": 4, "float": 8}
MONEY_WIDTHS = {"smallmoney": 4, "money": 8}
NARROW_TEXT = frozenset({"char", "varchar", "text"})
WIDE_TEXT = frozenset({"nchar", "nvarchar", "ntext", "sysname"})
BINARY_TYPES = frozenset({"binary", "varbinary", "image", "rowversion", "timestamp"})
UDT_TYPES = frozenset({"hierarchyid", "geography", "geometry"})

_LEGACY_LARGE = frozenset({"text", "ntext", "image"})
_FIXED_LENGTH = frozenset({"char", "nchar", "binary"})
_SYSNAME_CHARACTERS = 128
_VARIANT_BYTES = 8009
_ROWVERSION_USER_TYPE = 80
_IS_NULLABLE, _IS_UPDATEABLE_UNKNOWN, _IS_IDENTITY = 0x01, 0x08, 0x10

# INTN, FLTN, MONEYN, … by [MS-TDS] 2.2.5.4.
_INTN, _FLTN, _MONEYN, _BITN, _GUID, _DECIMALN, _NUMERICN = 0x26, 0x6D, 0x6E, 0x68, 0x24, 0x6A, 0x6C
_DATETIMN, _DATEN, _TIMEN, _DATETIME2N, _DATETIMEOFFSETN = 0x6F, 0x28, 0x29, 0x2A, 0x2B
_BIGCHAR, _BIGVARCHAR, _NCHAR, _NVARCHAR, _BIGBINARY, _BIGVARBINARY = 0xAF, 0xA7, 0xEF, 0xE7, 0xAD, 0xA5
_XML, _UDT, _SSVARIANT = 0xF1, 0xF0, 0x62

_UDT_CLASSES = {
    "hierarchyid": ("SqlHierarchyId", 892),
    "geography": ("SqlGeography", UNLIMITED),
    "geometry": ("SqlGeometry", UNLIMITED),
}


def is_unlimited(column_type: ColumnType) -> bool:
    """Whether values travel in chunks (PLP, [MS-TDS] 2.2.5.2.3): the (max) types, xml and UDTs."""
    name = column_type.name
    if name in _LEGACY_LARGE or name == "xml" or name in UDT_TYPES:
        return True
    return name in ("varchar", "nvarchar", "varbinary") and column_type.length is None


def declared_length(column_type: ColumnType) -> int:
    """Length of a sized text or binary type, in its own unit (characters, or bytes)."""
    if column_type.name == "sysname":
        return _SYSNAME_CHARACTERS
    if column_type.name in ("rowversion", "timestamp"):
        return 8
    return column_type.length or 1


def is_padded(column_type: ColumnType) -> bool:
    """Whether values are filled up to the declared length: char, nchar, binary."""
    return column_type.name in _FIXED_LENGTH


def decimal_width(precision: int) -> int:
    """Bytes of a decimal's magnitude ([MS-TDS] 2.2.5.5.1.6)."""
    return 4 * (1 + (precision > 9) + (precision > 19) + (precision > 28))


def time_width(scale: int) -> int:
    """Bytes of a time of day with this many fractional digits ([MS-TDS] 2.2.5.5.1.8)."""
    return 3 if scale <= 2 else 4 if scale <= 4 else 5


def time_scale(column_type: ColumnType) -> int:
    """Fractional second digits; SQL Server's default is 7."""
    return 7 if column_type.scale is None else column_type.scale


def encode_metadata(columns: Sequence[ResultColumn], database: str) -> bytes:
    """Return the COLMETADATA token; raises ValueError for a type without a wire form."""
    parts = [COLMETADATA_TOKEN, struct.pack("<H", len(columns))]
    for column in columns:
        user_type = _ROWVERSION_USER_TYPE if column.type.name in ("rowversion", "timestamp") else 0
        flags = _IS_UPDATEABLE_UNKNOWN
        flags |= _IS_NULLABLE if column.nullable else 0
        flags |= _IS_IDENTITY if column.identity else 0
        encoded_name = column.name.encode("utf-16-le", "surrogatepass")
        parts.append(struct.pack("<IH", user_type, flags))
        parts.append(_encode_type(column, database))
        parts.append(bytes([len(encoded_name) // 2]) + encoded_name)
    return b"".join(parts)


def _encode_type(column: ResultColumn, database: str) -> bytes:
    name = column.type.name
    if name in NARROW_TEXT or name in WIDE_TEXT or name in BINARY_TYPES:
        return _encode_sized_type(column)
    if name in ("decimal", "numeric"):
        precision = column.type.precision or 18
        token = _DECIMALN if name == "decimal" else _NUMERICN
        return bytes([token, 1 + decimal_width(precision), precision, column.type.scale or 0])
    if name in ("time", "datetime2", "datetimeoffset"):
        token = {"time": _TIMEN, "datetime2": _DATETIME2N, "datetimeoffset": _DATETIMEOFFSETN}[name]
        return bytes([token, time_scale(column.type)])
    if name in UDT_TYPES:
        return _encode_udt_type(name, database)
    plain = _PLAIN_TYPES.get(name)
    if plain is None:
        raise ValueError(f"column {column.name}: type {name} has no form on the wire")
    return plain


def _encode_sized_type(column: ResultColumn) -> bytes:
    column_type = column.type
    is_wide = column_type.name in WIDE_TEXT
    size = UNLIMITED if is_unlimited(column_type) else declared_length(column_type) * (2 if is_wide else 1)
    fixed = is_padded(column_type)
    if column_type.name in BINARY_TYPES:
        fixed = fixed or column_type.name in ("rowversion", "timestamp")
        return struct.pack("<BH", _BIGBINARY if fixed else _BIGVARBINARY, size)
    token = {
        (False, False): _BIGVARCHAR,
        (False, True): _BIGCHAR,
        (True, False): _NVARCHAR,
        (True, True): _NCHAR,
    }[is_wide, fixed]
    return struct.pack("<BH", token, size) + find_collation(column.collation).wire_bytes


def _encode_udt_type(name: str, database: str) -> bytes:
    class_name, max_bytes = _UDT_CLASSES[name]
    assembly = (
        f"Microsoft.SqlServer.Types.{class_name}, Microsoft.SqlServer.Types, "
        "Version=16.0.0.0, Culture=neutral, PublicKeyToken=89845dcd8080cc91"
    )
    names = b"".join(bytes([len(part)]) + part.encode("utf-16-le") for part in (database, "sys", name))
    return (
        struct.pack("<BH", _UDT, max_bytes)
        + names
        + struct.pack("<H", len(assembly))
        + assembly.encode("utf-16-le")
    )


_PLAIN_TYPES = {
    **{name: bytes([_INTN, width]) for name, width in INTEGER_WIDTHS.items()},
    **{name: bytes([_FLTN, width]) for name, width in FLOAT_WIDTHS.items()},
    **{name: bytes([_MONEYN, width]) for name, width in MONEY_WIDTHS.items()},
    "bit": bytes([_BITN, 1]),
    "uniqueidentifier": bytes([_GUID, 16]),
    "date": bytes([_DATEN]),
    "datetime": bytes([_DATETIMN, 8]),
    "smalldatetime": bytes([_DATETIMN, 4]),
    "xml": bytes([_XML, 0]),
    "sql_variant": struct.pack("<BI", _SSVARIANT, _VARIANT_BYTES),
}
