"""Arrow arrays as NumPy views: values, validity, text and binary buffers. Nothing of TDS."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.emulator.tds.fragments import Bytes, Flags, Offsets


def read_valid(array: pa.Array) -> Flags | None:
    """Return True where a value is present; None when all are."""
    if array.null_count == 0:
        return None
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def read_values(array: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Read the values of a fixed-width array, NULL slots included with whatever they hold; zero copy."""
    item_type = np.dtype(dtype)
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), dtype=item_type)
    return np.frombuffer(buffer, dtype=item_type, count=len(array), offset=array.offset * item_type.itemsize)


def read_variable(array: pa.Array) -> tuple[Offsets, Bytes]:
    """Offsets (from 0) and bytes of a string or binary array; NULLs are empty."""
    if array.null_count:
        empty = "" if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) else b""
        array = pc.fill_null(array, pa.scalar(empty, array.type))
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    if len(array) == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    offsets_buffer, data_buffer = array.buffers()[1:]
    raw = np.frombuffer(offsets_buffer, dtype=np.int64 if is_large else np.int32)
    offsets = raw[array.offset : array.offset + len(array) + 1].astype(np.int64)
    if data_buffer is None:
        return offsets - offsets[0], np.zeros(0, dtype=np.uint8)
    data = np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def is_binary(array: pa.Array) -> bool:
    """Whether the array holds bytes rather than text."""
    return bool(pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type))


def as_matrix(values: npt.NDArray[Any]) -> Bytes:
    """Return a vector's little-endian bytes, shape (len(values), itemsize)."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(len(values), values.dtype.itemsize)
