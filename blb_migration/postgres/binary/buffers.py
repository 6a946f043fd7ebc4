"""Arrow arrays' own buffers as numpy arrays, without a copy: what the data path computes with.

Arrow's compute functions import pandas to look at a plain number (half a second in each process that
loads a table), and fill NULLs in only with a copy; here neither happens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_OFFSET_TYPES: dict[pa.DataType, type[np.int32 | np.int64]] = {
    pa.string(): np.int32,
    pa.binary(): np.int32,
    pa.large_string(): np.int64,
    pa.large_binary(): np.int64,
}


def read_presence(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Where a value is not NULL; None when all are there."""
    validity = array.buffers()[0]
    if not array.null_count or validity is None:
        return None
    octets = np.frombuffer(validity, np.uint8)
    bits = np.unpackbits(octets, bitorder="little", count=array.offset + len(array))
    return bits[array.offset :].view(np.bool_)


def read_numbers(array: pa.Array) -> npt.NDArray[Any]:
    """Read the values of an array of int32 or int64; 0 for NULL."""
    numbers = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    numbers = numbers[array.offset : array.offset + len(array)]
    is_present = read_presence(array)
    return numbers if is_present is None else np.where(is_present, numbers, 0)


def read_offsets(array: pa.Array) -> npt.NDArray[Any]:
    """Read where each text or binary begins, and where the last one ends; of an array that is not empty."""
    offsets = np.frombuffer(array.buffers()[1], _OFFSET_TYPES[array.type])
    return offsets[array.offset : array.offset + len(array) + 1]


def read_lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """Read the bytes of each text or binary; 0 for NULL. The array is not empty."""
    lengths = np.diff(read_offsets(array)).astype(np.int64, copy=False)
    is_present = read_presence(array)
    return lengths if is_present is None else lengths * is_present
