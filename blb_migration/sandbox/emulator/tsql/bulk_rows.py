"""Rows on their way in: Arrow in the physical forms of ``results`` (or close) to storage forms.

Accepted beside the physical forms: Arrow timestamps, times and dates for temporal columns, text for
uniqueidentifier, UTF-16LE bytes for text that is not valid Unicode.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.model import Column, Table
from blb_migration.sandbox.emulator.tsql.datatypes import family
from blb_migration.sandbox.emulator.tsql.macros import DAY_TICKS, UNIX_EPOCH_TICKS
from blb_migration.sandbox.emulator.tsql.surrogates import decode_utf16_array

TableData: TypeAlias = "pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch]"
_UNIT_TICKS = {"s": (10_000_000, 1), "ms": (10_000, 1), "us": (10, 1), "ns": (1, 100)}


def storage_batches(table: Table, data: TableData) -> Iterator[tuple[pa.RecordBatch, set[str]]]:
    """Each batch in storage form, with the names of text columns that came as UTF-16LE.

    Raises ValueError for a column that the table has not, or that is of a strange Arrow type.
    """
    by_name = {column.name.lower(): column for column in table.columns}
    for batch in _batches(data):
        names: list[str] = []
        arrays: list[pa.Array] = []
        hidden: set[str] = set()
        for name, incoming in zip(batch.schema.names, batch.columns, strict=True):
            array = incoming
            column = by_name.get(name.lower())
            if column is None:
                raise ValueError(f"{table.name} has no column {name}")
            if family(column.type) == "text" and _is_binary(array.type):
                array = decode_utf16_array(array)
                hidden.add(column.name)
            names.append(column.name)
            arrays.append(to_physical_form(array, column))
        yield pa.RecordBatch.from_arrays(arrays, names=names), hidden


def _batches(data: TableData) -> Iterable[pa.RecordBatch]:
    if isinstance(data, pa.RecordBatch):
        return [data]
    if isinstance(data, pa.Table):
        batches: list[pa.RecordBatch] = data.to_batches(max_chunksize=65_536)
        return batches
    return data


def _is_binary(arrow_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(arrow_type)
        or pa.types.is_large_binary(arrow_type)
        or pa.types.is_fixed_size_binary(arrow_type)
    )


def to_physical_form(array: pa.Array, column: Column) -> pa.Array:  # noqa: PLR0911  # one form each
    """Bring a column that came in a form close to its physical one into that; texts stay as they are."""
    kind, arrow_type = family(column.type), array.type
    if pa.types.is_null(arrow_type):
        return array
    if kind in ("datetime", "time") and pa.types.is_timestamp(arrow_type):
        return _timestamp_ticks(array)
    if kind == "datetime" and pa.types.is_date32(arrow_type):
        days = pc.cast(array.cast(pa.int32()), pa.int64())
        return pc.add(pc.multiply(days, DAY_TICKS), UNIX_EPOCH_TICKS)
    if kind == "time" and (pa.types.is_time32(arrow_type) or pa.types.is_time64(arrow_type)):
        width = pa.int32() if pa.types.is_time32(arrow_type) else pa.int64()
        return _scale(pc.cast(array.cast(width), pa.int64()), arrow_type.unit)
    if kind == "datetimeoffset" and pa.types.is_timestamp(arrow_type):
        ticks = _timestamp_ticks(array)
        offsets = pa.array([0] * len(array), pa.int16())
        return pa.StructArray.from_arrays(
            [ticks, offsets], names=["ticks", "offset_minutes"], mask=array.is_null()
        )
    if kind == "guid" and not _is_binary(arrow_type):
        values = [None if value is None else uuid.UUID(str(value)).bytes for value in array.to_pylist()]
        return pa.array(values, pa.binary())
    if pa.types.is_fixed_size_binary(arrow_type):
        return array.cast(pa.binary())
    return array


def _timestamp_ticks(array: pa.Array) -> pa.Array:
    return pc.add(_scale(array.cast(pa.int64()), array.type.unit), UNIX_EPOCH_TICKS)


def _scale(numbers: pa.Array, unit: str) -> pa.Array:
    factor, divisor = _UNIT_TICKS[unit]
    scaled = pc.multiply(numbers, factor)
    return scaled if divisor == 1 else pc.divide(scaled, divisor)
