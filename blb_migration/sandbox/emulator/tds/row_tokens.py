"""Arrow record batches to ROW tokens ([MS-TDS] 2.2.7.19), a slice of rows at a time.

A slice is kept small enough for the processor's cache and for bounded memory; every slice ends at
a row's end, so that a stream may be stopped between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.emulator.results import ResultColumn
from blb_migration.sandbox.emulator.tds import metadata, numbers, text, times, variant
from blb_migration.sandbox.emulator.tds.fragments import Fixed, Fragment, join

ROW_TOKEN = 0xD1
SLICE_ROWS = 16_384
SLICE_BYTES = 4 * 1024 * 1024


def encode_batch(columns: Sequence[ResultColumn], batch: pa.RecordBatch) -> Iterator[memoryview]:
    """Yield the batch's rows as ROW tokens, in slices of whole rows.

    Raises ValueError when the batch does not fit its columns, SqlServerError when a value does not.
    """
    if batch.num_columns != len(columns):
        raise ValueError(f"a batch of {batch.num_columns} columns for a result of {len(columns)}")
    if batch.num_rows == 0:
        return
    row_bytes = max(1, batch.nbytes // batch.num_rows)
    slice_rows = max(1, min(SLICE_ROWS, SLICE_BYTES // row_bytes))
    for start in range(0, batch.num_rows, slice_rows):
        yield _encode_slice(columns, batch.slice(start, slice_rows))


def _encode_slice(columns: Sequence[ResultColumn], batch: pa.RecordBatch) -> memoryview:
    fragments: list[Fragment] = [Fixed(np.full((batch.num_rows, 1), ROW_TOKEN, dtype=np.uint8))]
    for column, array in zip(columns, batch.columns, strict=True):
        fragments.extend(_encode_column(column, array))
    return join(fragments)


def _encode_column(column: ResultColumn, array: pa.Array) -> list[Fragment]:
    name = column.type.name
    if name in ("decimal", "numeric"):
        return [numbers.encode_decimals(array, column.type.precision or 18, column.type.scale or 0)]
    if name == "sql_variant":
        return variant.encode_variants(array)
    if name in ("time", "datetime2", "datetimeoffset"):
        return [_encode_scaled_time(column, array)]
    encode = _PLAIN_ENCODERS.get(name)
    return [encode(array)] if encode else text.encode_texts(array, column)


def _encode_scaled_time(column: ResultColumn, array: pa.Array) -> Fragment:
    scale = metadata.time_scale(column.type)
    if column.type.name == "time":
        return times.encode_times(array, scale)
    if column.type.name == "datetime2":
        return times.encode_datetime2(array, scale)
    return times.encode_datetimeoffsets(array, scale)


_PLAIN_ENCODERS: dict[str, Callable[[pa.Array], Fragment]] = {
    **{
        name: partial(numbers.encode_integers, width=width) for name, width in metadata.INTEGER_WIDTHS.items()
    },
    **{name: partial(numbers.encode_floats, width=width) for name, width in metadata.FLOAT_WIDTHS.items()},
    **{name: partial(numbers.encode_money, width=width) for name, width in metadata.MONEY_WIDTHS.items()},
    "bit": numbers.encode_bits,
    "uniqueidentifier": numbers.encode_guids,
    "date": times.encode_dates,
    "datetime": times.encode_datetimes,
    "smalldatetime": times.encode_smalldatetimes,
}
