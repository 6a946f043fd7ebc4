"""Text and binaries as they stand in a row: code pages, UTF-16, padding, sized and chunked forms.

Whole columns are converted at once; only columns that need padding of odd values go value by value.
"""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.emulator.results import ResultColumn, SqlServerError
from blb_migration.sandbox.emulator.tds.arrays import as_matrix, is_binary, read_valid, read_variable
from blb_migration.sandbox.emulator.tds.collation import find_collation
from blb_migration.sandbox.emulator.tds.fragments import (
    Bytes,
    Fixed,
    Flags,
    Fragment,
    Offsets,
    Variable,
    build_offsets,
    masked,
)
from blb_migration.sandbox.emulator.tds.metadata import (
    BINARY_TYPES,
    NARROW_TEXT,
    UDT_TYPES,
    declared_length,
    is_padded,
    is_unlimited,
)

_SIZED_NULL = 0xFFFF
_CHUNKED_NULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
# SQL Server sends a long value in many chunks. Drivers rely on it: mssql-odbc refuses one of over 16 MiB.
_LARGEST_CHUNK = 4 << 20


def encode_texts(array: pa.Array, column: ResultColumn) -> list[Fragment]:
    """Any text, binary, xml or UDT column; raises SqlServerError 2628 for a value that is too long."""
    array = _coerce(array, column)
    valid = read_valid(array)
    name = column.type.name
    offsets, data = read_variable(array)
    unit_bytes, padding = 1, b" "
    if name in BINARY_TYPES or name in UDT_TYPES:
        padding = b"\0"
    elif name in NARROW_TEXT:
        if not is_binary(array):
            offsets, data = to_code_page(offsets, data, find_collation(column.collation).encoding)
    else:
        unit_bytes, padding = 2, b" \0"
        if not is_binary(array):
            offsets, data = to_utf16(offsets, data)
    if is_unlimited(column.type):
        return _chunked(offsets, data, valid)
    byte_limit = declared_length(column.type) * unit_bytes
    if len(offsets) > 1 and int(np.diff(offsets).max()) > byte_limit:
        raise SqlServerError(
            2628, f"String or binary data would be truncated in column '{column.name}' of type {column.type}."
        )
    if is_padded(column.type):
        offsets, data = _padded(offsets, data, byte_limit, padding)
    return _sized(offsets, data, valid)


def to_utf16(offsets: Offsets, data: Bytes) -> tuple[Offsets, Bytes]:
    """UTF-8 values to UTF-16LE."""
    if not data.size or int(data.max()) < 0x80:
        return offsets * 2, data.astype("<u2").view(np.uint8)
    encoded = data.tobytes().decode("utf-8").encode("utf-16-le")
    # A code point starts at each byte that continues none, and takes two units from U+10000 on.
    units = ((data & 0xC0) != 0x80).astype(np.int64) + (data >= 0xF0)
    return build_offsets(units)[offsets] * 2, np.frombuffer(encoded, dtype=np.uint8)


def to_code_page(offsets: Offsets, data: Bytes, encoding: str) -> tuple[Offsets, Bytes]:
    """UTF-8 values to a single-byte code page; '?' for what it lacks, as SQL Server does."""
    if encoding == "utf-8" or not data.size or int(data.max()) < 0x80:
        return offsets, data
    encoded = data.tobytes().decode("utf-8").encode(encoding, "replace")
    characters = ((data & 0xC0) != 0x80).astype(np.int64)
    return build_offsets(characters)[offsets], np.frombuffer(encoded, dtype=np.uint8)


def _padded(offsets: Offsets, data: Bytes, width: int, padding: bytes) -> tuple[Offsets, Bytes]:
    lengths = np.diff(offsets)
    row_count = len(lengths)
    if (lengths == width).all():
        return offsets, data
    matrix = np.tile(np.frombuffer(padding * (width // len(padding)), dtype=np.uint8), (row_count, 1))
    matrix[np.arange(width) < lengths[:, np.newaxis]] = data
    return np.arange(row_count + 1, dtype=np.int64) * width, matrix.reshape(-1)


def _sized(offsets: Offsets, data: Bytes, valid: Flags | None) -> list[Fragment]:
    lengths = np.diff(offsets)
    if valid is None:
        return [Fixed(as_matrix(lengths.astype(np.uint16))), Variable(offsets, data)]
    prefixes = Fixed(as_matrix(np.where(valid, lengths, _SIZED_NULL).astype(np.uint16)))
    if int(lengths[~valid].sum()) == 0:
        return [prefixes, Variable(offsets, data)]
    # Padding gave the NULLs bytes too: only the others' are sent.
    is_sent = np.repeat(valid, lengths)
    return [prefixes, Variable(build_offsets(np.where(valid, lengths, 0)), data[is_sent])]


def _chunked(offsets: Offsets, data: Bytes, valid: Flags | None) -> list[Fragment]:
    """PLP ([MS-TDS] 2.2.5.2.3): total length, chunks unless empty, an empty chunk; all ones is NULL."""
    lengths = np.diff(offsets).astype(np.uint64)
    is_valid = np.ones(len(lengths), dtype=np.bool_) if valid is None else valid
    chunks: list[Fragment] = [
        masked(as_matrix(lengths.astype(np.uint32)), lengths > 0),
        Variable(offsets, data),
    ]
    if len(lengths) and int(lengths.max()) > _LARGEST_CHUNK:
        chunks = [_in_many_chunks(offsets, data)]
    return [
        Fixed(as_matrix(np.where(is_valid, lengths, _CHUNKED_NULL))),
        *chunks,
        masked(np.zeros((len(lengths), 4), dtype=np.uint8), is_valid),
    ]


def _in_many_chunks(offsets: Offsets, data: Bytes) -> Variable:
    """Each value as chunks behind their lengths; row by row, since values of this size are few."""
    values = []
    for start, end in itertools.pairwise(offsets.tolist()):
        cuts = [*range(start, end, _LARGEST_CHUNK), end]
        pieces = [data[first:before].tobytes() for first, before in itertools.pairwise(cuts)]
        values.append(b"".join(len(piece).to_bytes(4, "little") + piece for piece in pieces))
    lengths = np.array([len(value) for value in values], dtype=np.int64)
    return Variable(build_offsets(lengths), np.frombuffer(b"".join(values), dtype=np.uint8))


def _coerce(array: pa.Array, column: ResultColumn) -> pa.Array:
    if is_binary(array):
        return array
    if pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.binary())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array
    wants_bytes = column.type.name in BINARY_TYPES or column.type.name in UDT_TYPES
    return array.cast(pa.large_binary() if wants_bytes else pa.large_string())
