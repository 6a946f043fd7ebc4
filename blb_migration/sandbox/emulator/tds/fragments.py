"""Pieces of encoded rows, column by column, and their joining into one run of rows.

A column's encoder gives one or more fragments. A fragment holds, for each of n rows, some bytes:
always as many (``Fixed``) or not (``Variable``). Joining is done by Arrow's kernel, so that no
Python runs per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fixed:
    """``matrix`` has shape (row_count, width), C-contiguous."""

    matrix: Bytes


@dataclass(frozen=True)
class Variable:
    """Row i is ``data[offsets[i]:offsets[i + 1]]``; ``offsets`` starts at 0 and has n + 1 entries."""

    offsets: Offsets
    data: Bytes


Fragment = Fixed | Variable


def build_offsets(lengths: npt.NDArray[np.integer]) -> Offsets:
    """Offsets, from 0, of consecutive values of these lengths in bytes."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def length_prefixed(matrix: Bytes, valid: Flags | None) -> Fragment:
    """Values behind one length byte, as the N types of [MS-TDS] 2.2.5.4.2 have it; 0 is NULL.

    ``matrix`` has shape (row_count, width) and is the values without their lengths.
    """
    row_count, width = matrix.shape
    framed = np.empty((row_count, width + 1), dtype=np.uint8)
    framed[:, 0] = width
    framed[:, 1:] = matrix
    if valid is None:
        return Fixed(framed)
    framed[~valid, 0] = 0
    is_sent = np.empty(framed.shape, dtype=np.bool_)
    is_sent[:, 0] = True
    is_sent[:, 1:] = valid[:, np.newaxis]
    return Variable(build_offsets(1 + width * valid.astype(np.int64)), framed[is_sent])


def masked(matrix: Bytes, is_present: Flags) -> Variable:
    """Return the matrix's rows where ``is_present``, nothing elsewhere."""
    return Variable(
        build_offsets(matrix.shape[1] * is_present.astype(np.int64)), matrix[is_present].reshape(-1)
    )


def join(fragments: Sequence[Fragment]) -> memoryview:
    """All rows' bytes, one row after the other, fragments in order within a row."""
    merged = _merge_fixed(fragments)
    if len(merged) == 1 and isinstance(merged[0], Fixed):
        return merged[0].matrix.data.cast("B")
    arrays = [_as_arrow(fragment) for fragment in merged]
    joined = pc.binary_join_element_wise(*arrays, pa.scalar(b"", pa.large_binary()))
    offsets_buffer, data_buffer = joined.buffers()[1:]
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[joined.offset : joined.offset + len(joined) + 1]
    return memoryview(data_buffer)[int(offsets[0]) : int(offsets[-1])]


def _merge_fixed(fragments: Sequence[Fragment]) -> list[Fragment]:
    merged: list[Fragment] = []
    run: list[Bytes] = []
    for fragment in fragments:
        if isinstance(fragment, Fixed):
            run.append(fragment.matrix)
            continue
        if run:
            merged.append(Fixed(np.hstack(run)))
            run = []
        merged.append(fragment)
    if run:
        merged.append(Fixed(np.hstack(run)))
    return merged


def _as_arrow(fragment: Fragment) -> pa.Array:
    if isinstance(fragment, Fixed):
        row_count, width = fragment.matrix.shape
        offsets = np.arange(row_count + 1, dtype=np.int64) * width
        data = fragment.matrix.reshape(-1)
    else:
        row_count, offsets, data = len(fragment.offsets) - 1, fragment.offsets, fragment.data
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), row_count, buffers)
