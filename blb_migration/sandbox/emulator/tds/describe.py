"""The answer of sp_describe_first_result_set: one row per column of a statement's first result.

Columns and system type ids are those of Microsoft's documentation of the procedure and of
sys.types; columns that describe what the emulator has not (XML collections, source tables) are NULL.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import ResultColumn, ResultSet
from blb_migration.sandbox.emulator.tds import metadata
from blb_migration.sandbox.emulator.tds.collation import DEFAULT_COLLATION_NAME

_SYSTEM_TYPE_IDS = {
    "image": 34, "text": 35, "uniqueidentifier": 36, "date": 40, "time": 41, "datetime2": 42,
    "datetimeoffset": 43, "tinyint": 48, "smallint": 52, "int": 56, "smalldatetime": 58, "real": 59,
    "money": 60, "datetime": 61, "float": 62, "sql_variant": 98, "ntext": 99, "bit": 104, "decimal": 106,
    "numeric": 108, "smallmoney": 122, "bigint": 127,
    "varbinary": 165, "varchar": 167, "binary": 173,
    "char": 175, "timestamp": 189, "rowversion": 189, "nvarchar": 231, "sysname": 231,
    "nchar": 239, "hierarchyid": 240, "geometry": 240,
    "geography": 240, "xml": 241,
}  # fmt: skip
_PRECISIONS = {
    "bit": (1, 0), "tinyint": (3, 0), "smallint": (5, 0), "int": (10, 0), "bigint": (19, 0), "money": (19, 4),
    "smallmoney": (10, 4), "real": (24, 0), "float": (53, 0), "date": (10, 0), "datetime": (23, 3),
    "smalldatetime": (16, 0),
}  # fmt: skip
_PLAIN_BYTES = {
    **metadata.INTEGER_WIDTHS, **metadata.FLOAT_WIDTHS, **metadata.MONEY_WIDTHS, "bit": 1,
    "uniqueidentifier": 16, "date": 3, "datetime": 8, "smalldatetime": 4, "rowversion": 8, "timestamp": 8,
    "sql_variant": 8016,
}  # fmt: skip

_BIT, _INT, _SMALLINT, _TINYINT = (
    ColumnType("bit"),
    ColumnType("int"),
    ColumnType("smallint"),
    ColumnType("tinyint"),
)
_NAME = ColumnType("nvarchar", length=128)
_LAYOUT: tuple[tuple[str, ColumnType, pa.DataType], ...] = (
    ("is_hidden", _BIT, pa.bool_()),
    ("column_ordinal", _INT, pa.int32()),
    ("name", _NAME, pa.string()),
    ("is_nullable", _BIT, pa.bool_()),
    ("system_type_id", _INT, pa.int32()),
    ("system_type_name", ColumnType("nvarchar", length=256), pa.string()),
    ("max_length", _SMALLINT, pa.int16()),
    ("precision", _TINYINT, pa.uint8()),
    ("scale", _TINYINT, pa.uint8()),
    ("collation_name", _NAME, pa.string()),
    ("user_type_id", _INT, pa.int32()),
    ("user_type_database", _NAME, pa.string()),
    ("user_type_schema", _NAME, pa.string()),
    ("user_type_name", _NAME, pa.string()),
    ("assembly_qualified_type_name", ColumnType("nvarchar", length=4000), pa.string()),
    ("xml_collection_id", _INT, pa.int32()),
    ("xml_collection_database", _NAME, pa.string()),
    ("xml_collection_schema", _NAME, pa.string()),
    ("xml_collection_name", _NAME, pa.string()),
    ("is_xml_document", _BIT, pa.bool_()),
    ("is_case_sensitive", _BIT, pa.bool_()),
    ("is_fixed_length_clr_type", _BIT, pa.bool_()),
    ("source_server", _NAME, pa.string()),
    ("source_database", _NAME, pa.string()),
    ("source_schema", _NAME, pa.string()),
    ("source_table", _NAME, pa.string()),
    ("source_column", _NAME, pa.string()),
    ("is_identity_column", _BIT, pa.bool_()),
    ("is_part_of_unique_key", _BIT, pa.bool_()),
    ("is_updateable", _BIT, pa.bool_()),
    ("is_computed_column", _BIT, pa.bool_()),
    ("is_sparse_column_set", _BIT, pa.bool_()),
    ("ordinal_in_order_by_list", _SMALLINT, pa.int16()),
    ("order_by_list_length", _SMALLINT, pa.int16()),
    ("order_by_is_descending", _SMALLINT, pa.int16()),
    ("tds_type_id", _INT, pa.int32()),
    ("tds_length", _INT, pa.int32()),
    ("tds_collation_id", _INT, pa.int32()),
    ("tds_collation_sort_id", _TINYINT, pa.uint8()),
)


def describe_first_result(columns: Sequence[ResultColumn]) -> ResultSet:
    """Return the procedure's result for a statement that gives these columns."""
    rows = [_describe_column(ordinal, column) for ordinal, column in enumerate(columns, start=1)]
    arrays = [pa.array([row.get(name) for row in rows], arrow_type) for name, _, arrow_type in _LAYOUT]
    batch = pa.RecordBatch.from_arrays(arrays, names=[name for name, _, _ in _LAYOUT])
    return ResultSet(tuple(ResultColumn(name, sql_type) for name, sql_type, _ in _LAYOUT), iter([batch]))


def _describe_column(ordinal: int, column: ResultColumn) -> dict[str, object]:
    name = column.type.name
    is_text = name in metadata.NARROW_TEXT or name in metadata.WIDE_TEXT
    precision, scale = _precision(column.type)
    declaration = metadata.encode_metadata([column], "")
    return {
        "is_hidden": False,
        "column_ordinal": ordinal,
        "name": column.name,
        "is_nullable": column.nullable,
        "system_type_id": _SYSTEM_TYPE_IDS[name],
        "system_type_name": str(column.type),
        "max_length": _max_length(column.type),
        "precision": precision,
        "scale": scale,
        "collation_name": (column.collation or DEFAULT_COLLATION_NAME) if is_text else None,
        "is_xml_document": False,
        "is_case_sensitive": False,
        "is_fixed_length_clr_type": False,
        "is_identity_column": column.identity,
        "is_updateable": not column.identity,
        "is_computed_column": False,
        "is_sparse_column_set": False,
        # The type's byte follows the token, the column count, the user type and the flags.
        "tds_type_id": declaration[9],
        "tds_length": _max_length(column.type) & 0xFFFF,
    }


def _precision(column_type: ColumnType) -> tuple[int, int]:
    if column_type.name in ("decimal", "numeric"):
        return column_type.precision or 18, column_type.scale or 0
    if column_type.name in ("time", "datetime2", "datetimeoffset"):
        scale = metadata.time_scale(column_type)
        whole = {"time": 8, "datetime2": 19, "datetimeoffset": 26}[column_type.name]
        return whole + (scale + 1 if scale else 0), scale
    return _PRECISIONS.get(column_type.name, (0, 0))


def _max_length(column_type: ColumnType) -> int:
    """Bytes, -1 for unlimited, as sys.columns.max_length has it."""
    name = column_type.name
    if name in _PLAIN_BYTES:
        return _PLAIN_BYTES[name]
    if name in ("decimal", "numeric"):
        return 1 + metadata.decimal_width(column_type.precision or 18)
    if name in ("time", "datetime2", "datetimeoffset"):
        extra = {"time": 0, "datetime2": 3, "datetimeoffset": 5}[name]
        return metadata.time_width(metadata.time_scale(column_type)) + extra
    if metadata.is_unlimited(column_type):
        return -1
    return metadata.declared_length(column_type) * (2 if name in metadata.WIDE_TEXT else 1)
