"""Batches of the source, already in the target's types, as rows in binary COPY form.

The encoder is the one that loads (``encoders``); it gives one buffer for a batch. Where in it each row
begins follows from the Arrow arrays (``row_lengths``), which must meet the buffer's end and every row's field
count exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder

from blb_migration.model import Column
from blb_migration.postgres.binary.blocks import COPY_TRAILER, RowBlock
from blb_migration.postgres.binary.canonical import (
    canonical_array,
    canonical_field,
    canonical_type,
    is_sent_canonical,
)
from blb_migration.postgres.binary.encoders import column_encoder
from blb_migration.postgres.binary.row_lengths import find_row_bounds


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
        names = [type_.name for type_ in self._types]
        bounds = find_row_bounds(names, batch)
        if bounds[-1] > len(buffer):
            bounds = find_row_bounds(names, batch, has_bytes_of_nulls=True)
        block = RowBlock(buffer, bounds[:-1])
        self._verify(block, int(bounds[-1]))
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
