"""Batches of the source, already in the target's types, as rows in binary COPY form.

The encoder is the one that loads (``encoders``); it gives one buffer for a batch. Where in it each row
begins follows from the Arrow arrays: every type's field length is known or can be computed, and the
sums must meet the buffer's end and every row's field count exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder

from blb_migration.model import Column
from blb_migration.postgres.binary.blocks import (
    COPY_TRAILER,
    FIELD_COUNT_BYTES,
    FIELD_LENGTH_BYTES,
    Positions,
    RowBlock,
)
from blb_migration.postgres.binary.buffers import read_lengths, read_presence
from blb_migration.postgres.binary.canonical import (
    canonical_array,
    canonical_field,
    canonical_type,
    is_sent_canonical,
)
from blb_migration.postgres.binary.encoders import column_encoder
from blb_migration.types import TARGET_TYPES

_NUMERIC_HEADER_BYTES = 8  # ndigits, weight, sign, dscale: numeric_send
_DIGIT_GROUP_BYTES = 2  # four decimal digits each
_GROUP = np.uint64(10000)
_POWERS_OF_10000 = np.array([10**4, 10**8, 10**12, 10**16], dtype=np.uint64)
_LARGEST_FAST = 2**63 - 1


class RowEncoder:
    """Encodes batches of one schema; ``columns`` are the target's, in the order of the batches' fields.

    The form is the one COPY takes and, where ``is_canonical`` is asked for, the one that is digested; for
    most tables that is the same (``is_sent_canonical``). Raises PreflightRefused for a column that cannot
    be written exactly (see ``encoders.column_encoder``).
    """

    def __init__(self, columns: Sequence[Column], schema: pa.Schema, *, is_canonical: bool = True) -> None:
        self._columns = tuple(columns)
        self._schema = schema
        self._types = [canonical_type(column) if is_canonical else column.type for column in columns]
        self._is_rewriting = is_canonical and not is_sent_canonical(columns)
        if self._is_rewriting:
            self._schema = pa.schema(map(canonical_field, columns, schema))
        self._encoders = {
            field.name: column_encoder(field, type_)
            for field, type_ in zip(self._schema, self._types, strict=True)
        }
        self._kept: ArrowToPostgresBinaryEncoder | None = None

    def encode(self, batch: pa.RecordBatch) -> RowBlock:
        """Return the batch's rows in their order."""
        batch = self._rewrite(batch)
        return self.locate(self.encode_buffer(batch), batch)

    def encode_buffer(self, batch: pa.RecordBatch) -> bytes:
        """Return the batch's rows one after the other, without COPY's header and trailer."""
        encoder = self._kept if self._kept is not None else self._start()
        self._kept = None
        rows: bytes = encoder.write_batch(batch)
        if rows:
            self._kept = encoder  # empty again; its memory was touched and has grown to a batch's size
            return rows
        # What is small is kept back until the end.
        small: bytes = encoder.finish()
        return small[: -len(COPY_TRAILER)]

    def _start(self) -> ArrowToPostgresBinaryEncoder:
        encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(self._schema, self._encoders)
        encoder.write_header()
        return encoder

    def locate(self, buffer: bytes, batch: pa.RecordBatch) -> RowBlock:
        """Find each row in ``buffer``, which ``encode_buffer`` made of the same batch."""
        constant = FIELD_COUNT_BYTES + FIELD_LENGTH_BYTES * len(self._types)
        varying: list[Positions] = []
        for type_, array in zip(self._types, batch.columns, strict=True):
            width = _find_width(type_.name, array)
            is_present = read_presence(array)
            if width is not None:
                if is_present is None:
                    constant += width
                else:
                    varying.append(is_present * np.int64(width))
            elif type_.name == "numeric":
                lengths = _NUMERIC_HEADER_BYTES + _DIGIT_GROUP_BYTES * count_digit_groups(array)
                varying.append(lengths if is_present is None else lengths * is_present)
            else:
                varying.append(read_lengths(array))
        row_lengths = np.full(batch.num_rows, constant, dtype=np.int64)
        for lengths in varying:
            row_lengths += lengths
        ends = np.cumsum(row_lengths)
        block = RowBlock(buffer, ends - row_lengths)
        self._verify(block, int(ends[-1]) if len(ends) else 0)
        return block

    def _rewrite(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._is_rewriting:
            return batch
        arrays = [
            canonical_array(column, array) for column, array in zip(self._columns, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _verify(self, block: RowBlock, end: int) -> None:
        fits = end == len(block.buffer) and bool(np.all(block.read_field_counts() == len(self._columns)))
        if not fits:
            raise AssertionError(f"the encoded rows of {self._schema.names} are not where they should be")


def _find_width(type_name: str, array: pa.Array) -> int | None:
    """Bytes of each value that is not NULL, without its length; None where they differ."""
    if pa.types.is_fixed_size_binary(array.type):
        return int(array.type.byte_width)
    return TARGET_TYPES[type_name].bytes if type_name in TARGET_TYPES else None


def count_digit_groups(array: pa.Array) -> Positions:
    """How many base-10000 digits numeric_send has for each value of a decimal128 array; any for NULL.

    Groups are aligned at the decimal point; leading and trailing zero groups are not sent.
    """
    padding = 10 ** (-array.type.scale % 4)
    words = np.frombuffer(array.buffers()[1], dtype="<i8").reshape(-1, 2)
    words = words[array.offset : array.offset + len(array)]
    low, high = words[:, 0], words[:, 1]
    magnitudes = np.abs(low)  # of the smallest number too, as a negative one
    is_fast = (high == low >> 63) & (magnitudes >= 0) & (magnitudes <= _LARGEST_FAST // padding)
    if is_fast.all():
        return _count_fast(magnitudes.view(np.uint64) * np.uint64(padding))
    counts = _count_fast(np.where(is_fast, magnitudes, 0).astype(np.uint64) * np.uint64(padding))
    slow = ~is_fast if (is_present := read_presence(array)) is None else ~is_fast & is_present
    for row in np.flatnonzero(slow).tolist():
        counts[row] = _count_slow(abs(int(high[row]) * 2**64 + int(low[row]) % 2**64) * padding)
    return counts


def _count_fast(unscaled: npt.NDArray[np.uint64]) -> Positions:
    counts: Positions = (unscaled > 0).astype(np.int64)
    largest = unscaled.max(initial=0)
    for power in _POWERS_OF_10000:
        if power > largest:
            break
        counts += unscaled >= power
    # Few numbers end in a group of zeros, and fewer in two.
    rows = np.flatnonzero((unscaled % _GROUP == 0) & (unscaled > 0))
    rest = unscaled[rows] // _GROUP
    while len(rows):
        counts[rows] -= 1
        goes_on = rest % _GROUP == 0
        rows, rest = rows[goes_on], rest[goes_on] // _GROUP
    return counts


def _count_slow(unscaled: int) -> int:
    while unscaled and unscaled % 10000 == 0:
        unscaled //= 10000
    return -(-len(str(unscaled)) // 4) if unscaled else 0
