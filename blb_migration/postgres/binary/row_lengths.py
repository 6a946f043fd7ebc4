"""Where each row of a batch begins in binary COPY form, computed from its Arrow arrays. Encodes nothing.

Every type's field length is known or can be computed. What is the same for all rows is added up once, what is
small in small integers, and Arrow's offsets of texts are sums over the rows already.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blb_migration.postgres.binary.blocks import FIELD_COUNT_BYTES, FIELD_LENGTH_BYTES, Positions
from blb_migration.postgres.binary.buffers import read_lengths, read_offsets, read_presence
from blb_migration.types import TARGET_TYPES

_NUMERIC_HEADER_BYTES = 8  # ndigits, weight, sign, dscale: numeric_send
_DIGIT_GROUP_BYTES = 2  # four decimal digits each
_GROUP = np.uint64(10000)
_POWERS_OF_10000 = np.array([10**4, 10**8, 10**12, 10**16], dtype=np.uint64)
_LARGEST_FAST = 2**63 - 1
# A numeric of 38 digits has 30 bytes, and a table at most 1,600 columns: their sum has 16 bits.
_MOST_SMALL_BYTES = 32

_Counts = npt.NDArray[np.uint8]


def find_row_bounds(
    type_names: Sequence[str], batch: pa.RecordBatch, *, has_bytes_of_nulls: bool = False
) -> Positions:
    """Find where each row begins, the first one at 0, and where the last one ends.

    ``type_names`` are the columns' PostgreSQL types. Arrow lets a NULL have bytes, though hardly anything
    leaves any there. With ``has_bytes_of_nulls`` they are left out; otherwise they make the last row end too
    late, and never too early.
    """
    row_count = batch.num_rows
    if not row_count:  # whose offsets may be missing
        return np.zeros(1, dtype=np.int64)
    constant = FIELD_COUNT_BYTES + FIELD_LENGTH_BYTES * len(type_names)
    small = np.zeros(row_count, dtype=np.uint16)
    bounds = np.zeros(row_count + 1, dtype=np.int64)
    for type_name, array in zip(type_names, batch.columns, strict=True):
        is_present = read_presence(array)
        width = _find_width(type_name, array)
        if type_name == "numeric":
            width = _NUMERIC_HEADER_BYTES
            digits = count_digit_groups(array) * np.uint8(_DIGIT_GROUP_BYTES)
            small += digits if is_present is None else digits * is_present
        if width is None:
            if is_present is not None and has_bytes_of_nulls:
                bounds[1:] += np.cumsum(read_lengths(array))
            else:
                bounds += read_offsets(array)
        elif is_present is None:
            constant += width
        elif width <= _MOST_SMALL_BYTES:
            small += is_present * np.uint8(width)
        else:
            bounds[1:] += np.cumsum(is_present * np.int64(width))
    bounds[1:] += np.cumsum(small, dtype=np.int64)
    bounds += np.arange(-bounds[0], constant * row_count - bounds[0] + 1, constant)
    return bounds


def _find_width(type_name: str, array: pa.Array) -> int | None:
    """Bytes of each value that is not NULL, without its length; None where they differ."""
    if pa.types.is_fixed_size_binary(array.type):
        return int(array.type.byte_width)
    return TARGET_TYPES[type_name].bytes if type_name in TARGET_TYPES else None


def count_digit_groups(array: pa.Array) -> _Counts:
    """How many base-10000 digits numeric_send has for each value of a decimal128 array; any for NULL.

    Groups are aligned at the decimal point; leading and trailing zero groups are not sent.
    """
    padding = 10 ** (-array.type.scale % 4)
    words = np.frombuffer(array.buffers()[1], dtype="<i8").reshape(-1, 2)
    words = words[array.offset : array.offset + len(array)]
    low, high = np.ascontiguousarray(words[:, 0]), words[:, 1]
    magnitudes = np.abs(low).view(np.uint64)  # of the smallest number, too
    is_long = (high != low >> 63) | (magnitudes > _LARGEST_FAST // padding)
    if not is_long.any():
        return _count_fast(magnitudes * np.uint64(padding))
    counts = _count_fast(np.where(is_long, 0, magnitudes) * np.uint64(padding))
    slow = is_long if (is_present := read_presence(array)) is None else is_long & is_present
    for row in np.flatnonzero(slow).tolist():
        counts[row] = _count_slow(abs(int(high[row]) * 2**64 + int(low[row]) % 2**64) * padding)
    return counts


def _count_fast(unscaled: npt.NDArray[np.uint64]) -> _Counts:
    counts = (unscaled > 0).view(np.uint8)
    largest = unscaled.max(initial=0)
    for power in _POWERS_OF_10000:
        if power > largest:
            break
        counts += (unscaled >= power).view(np.uint8)
    # Few numbers end in a group of zeros, and fewer in two.
    rest = unscaled // _GROUP
    rows = np.flatnonzero(rest * _GROUP == unscaled)
    rows = rows[unscaled[rows] > 0]
    rest = rest[rows]
    while len(rows):
        counts[rows] -= 1
        goes_on = rest % _GROUP == 0
        rows, rest = rows[goes_on], rest[goes_on] // _GROUP
    return counts


def _count_slow(unscaled: int) -> int:
    while unscaled and unscaled % 10000 == 0:
        unscaled //= 10000
    return -(-len(str(unscaled)) // 4) if unscaled else 0
