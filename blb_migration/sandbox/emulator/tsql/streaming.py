"""From a compiled query to a streamed ``ResultSet``: DuckDB's Arrow batches in physical form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import ResultColumn, SqlServerError
from blb_migration.sandbox.emulator.tsql.datatypes import base_type, family, is_text
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue
from blb_migration.sandbox.emulator.tsql.server_errors import map_runtime_error
from blb_migration.sandbox.emulator.tsql.surrogates import encode_utf16_array

BATCH_ROWS = 32_768
_ARROW_TYPES: dict[str, pa.DataType] = {
    "bit": pa.bool_(),
    "tinyint": pa.uint8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "money": pa.decimal128(19, 4),
    "smallmoney": pa.decimal128(10, 4),
    "real": pa.float32(),
    "float": pa.float64(),
    "date": pa.date32(),
    "uniqueidentifier": pa.binary(16),
    "sql_variant": pa.struct([("base_type", pa.string()), ("value", pa.string())]),
}


def result_columns(columns: Sequence[NamedValue]) -> tuple[ResultColumn, ...]:
    """Return the columns as the protocol describes them."""
    return tuple(
        ResultColumn(
            column.name,
            column.value.type,
            column.value.nullable,
            column.value.identity,
            column.value.collation,
        )
        for column in columns
    )


def physical_type(column: NamedValue) -> pa.DataType:
    """Return the Arrow type of the table in ``results``."""
    column_type: ColumnType = column.value.type
    if column_type.name in ("decimal", "numeric"):
        return pa.decimal128(column_type.precision or 18, column_type.scale or 0)
    if is_text(column_type):
        return pa.large_binary() if column.value.hides_surrogates else pa.string()
    match family(column_type):
        case "binary" | "udt":
            return pa.binary()
        case "time" | "datetime":
            return pa.int64()
        case "datetimeoffset":
            return pa.struct([("ticks", pa.int64()), ("offset_minutes", pa.int16())])
    return _ARROW_TYPES[base_type(column_type).name]


class BatchStream(Iterator[pa.RecordBatch]):
    """A query that runs from ``start``, or from the first batch on; iterating gives its batches in
    physical form. ``close`` it to stop early: DuckDB starts nothing else on the cursor while a result is
    open."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, sql: str, columns: Sequence[NamedValue]) -> None:
        fields = [pa.field(f"c{index}", physical_type(column)) for index, column in enumerate(columns, 1)]
        self._schema = pa.schema(fields)
        self._cursor = cursor
        self._sql = sql
        self._is_started = False
        self._reader: pa.RecordBatchReader | None = None

    def start(self) -> None:
        """Begin to read, unless begun or closed before; raises SqlServerError, as reading does."""
        if self._is_started:
            return
        self._is_started = True
        try:
            self._reader = _open_reader(self._cursor, self._sql)
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise map_runtime_error(error) from error

    def __next__(self) -> pa.RecordBatch:
        self.start()
        if self._reader is None:
            raise StopIteration
        try:
            batch = self._reader.read_next_batch()
        except StopIteration:
            self.close()
            raise
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            self.close()
            raise map_runtime_error(error) from error
        pairs = zip(batch.columns, self._schema, strict=True)
        return pa.RecordBatch.from_arrays(
            [_to_physical(array, field.type) for array, field in pairs], schema=self._schema
        )

    def close(self) -> None:
        """Let go of the rest of the result; may be repeated."""
        self._is_started = True
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _open_reader(cursor: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    """Run the query as ``cursor.sql(sql).to_arrow_reader()`` does, where possible without its first step:
    that binds the query to learn its columns, which are known here, and binding is most of a small one."""
    submit = getattr(cursor, "_submit", None)
    if submit is None:
        return cursor.sql(sql).to_arrow_reader(BATCH_ROWS)
    return submit(sql, None, "stream", BATCH_ROWS).arrow_reader()


def _to_physical(array: pa.Array, target: pa.DataType) -> pa.Array:
    if array.type == target:
        return array
    if pa.types.is_large_binary(target) and (
        pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    ):
        return encode_utf16_array(array)
    return array.cast(target)


def start_stream(stream: BatchStream, line: int) -> None:
    """Start a stream; an error of its first rows names the statement's line."""
    try:
        stream.start()
    except SqlServerError as error:
        error.line = max(error.line, line)
        raise
