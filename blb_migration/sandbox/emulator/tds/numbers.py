"""Numbers, money, bits and identifiers as they stand in a row ([MS-TDS] 2.2.5.5.1)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.emulator.tds.arrays import as_matrix, read_valid, read_values
from blb_migration.sandbox.emulator.tds.fragments import Bytes, Fragment, length_prefixed
from blb_migration.sandbox.emulator.tds.metadata import decimal_width

_INTEGER_DTYPES = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}
_INTEGER_ARROW = {1: pa.uint8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}

# A GUID's first three fields are little-endian on the wire, big-endian in its text.
_GUID_WIRE_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]


def encode_integers(array: pa.Array, width: int) -> Fragment:
    """tinyint (unsigned) to bigint."""
    array = _coerce(array, _INTEGER_ARROW[width])
    return length_prefixed(as_matrix(read_values(array, _INTEGER_DTYPES[width])), read_valid(array))


def encode_floats(array: pa.Array, width: int) -> Fragment:
    """real and float, IEEE 754."""
    array = _coerce(array, pa.float32() if width == 4 else pa.float64())
    dtype = np.float32 if width == 4 else np.float64
    return length_prefixed(as_matrix(read_values(array, dtype)), read_valid(array))


def encode_bits(array: pa.Array) -> Fragment:
    """bit, one byte 0 or 1."""
    as_bytes = _coerce(array, pa.bool_()).cast(pa.uint8())
    return length_prefixed(as_matrix(read_values(as_bytes, np.uint8)), read_valid(as_bytes))


def encode_decimals(array: pa.Array, precision: int, scale: int) -> Fragment:
    """decimal and numeric: a sign byte (1 is positive), then the magnitude, little-endian."""
    array = _coerce(array, pa.decimal128(precision, scale))
    row_count = len(array)
    halves = read_values(array, np.dtype([("low", "<u8"), ("high", "<u8")]))
    is_negative = (halves["high"] >> np.uint64(63)).astype(np.bool_)
    low, high = halves["low"].copy(), halves["high"].copy()
    if is_negative.any():
        # Two's complement over both halves: invert, add one, carry when the low half became zero.
        low[is_negative] = ~low[is_negative] + np.uint64(1)
        high[is_negative] = ~high[is_negative] + (low[is_negative] == 0).astype(np.uint64)
    magnitude = np.empty((row_count, 2), dtype="<u8")
    magnitude[:, 0], magnitude[:, 1] = low, high
    width = decimal_width(precision)
    matrix = np.empty((row_count, 1 + width), dtype=np.uint8)
    matrix[:, 0] = ~is_negative
    matrix[:, 1:] = magnitude.view(np.uint8).reshape(row_count, 16)[:, :width]
    return length_prefixed(matrix, read_valid(array))


def encode_money(array: pa.Array, width: int) -> Fragment:
    """money: ten-thousandths as 64 bits, the high half first; smallmoney: as 32 bits."""
    array = _coerce(array, pa.decimal128(19 if width == 8 else 10, 4))
    units = read_values(array, np.dtype([("low", "<i8"), ("high", "<i8")]))["low"]
    if width == 4:
        return length_prefixed(as_matrix(units.astype(np.int32)), read_valid(array))
    matrix = as_matrix(units)
    return length_prefixed(np.ascontiguousarray(matrix[:, [4, 5, 6, 7, 0, 1, 2, 3]]), read_valid(array))


def encode_guids(array: pa.Array) -> Fragment:
    """uniqueidentifier, from 16 bytes in textual order to the mixed-endian wire form."""
    array = _coerce(array, pa.binary(16))
    matrix: Bytes = read_values(array, np.dtype("V16")).view(np.uint8).reshape(len(array), 16)
    return length_prefixed(np.ascontiguousarray(matrix[:, _GUID_WIRE_ORDER]), read_valid(array))


def _coerce(array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return array if array.type == arrow_type else array.cast(arrow_type)
