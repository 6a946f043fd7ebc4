"""Rows as PostgreSQL's binary COPY frames them, many at a time: the common form of both sides' contents.

A row is its number of fields (two bytes), then per field its length (four bytes, -1 for NULL) and its
bytes: https://www.postgresql.org/docs/current/sql-copy.html, "Tuples". Here rows are cut out of a
buffer, their keys found and hashed, all without a step of Python per field. Where the bytes come from
is ``row_encoding`` for the source and ``read_back`` for the target; what is made of them, ``digest``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from psycopg.abc import Buffer

from blb_migration.postgres.binary.hash_functions import HashFunction

Positions = npt.NDArray[np.int64]

# What stands before the rows (signature, flags, length of the header's extension), and after them (a field
# count of -1): the same page, "File Header" and "File Trailer".
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"

FIELD_COUNT_BYTES = 2
FIELD_LENGTH_BYTES = 4

# FNV-1a with 32 bits, RFC 9923: spreads keys evenly, needs nothing but xor and a product.
_FNV_OFFSET_BASIS = np.uint32(2166136261)
_FNV_PRIME = np.uint32(16777619)


@dataclass(frozen=True)
class RowBlock:
    """Rows that lie one after the other in ``buffer``: row i begins at ``starts[i]``, the last ends with it.

    ``pieces`` are the same rows one by one, where they came that way.
    """

    buffer: bytes
    starts: Positions
    pieces: Sequence[Buffer] | None = None

    @classmethod
    def from_rows(cls, rows: Sequence[Buffer]) -> Self:
        """Return a block of rows that came one by one."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return cls(b"".join(rows), np.cumsum(lengths) - lengths, rows)

    def __len__(self) -> int:
        return len(self.starts)

    def rows(self) -> Iterable[Buffer]:
        """Each row's bytes."""
        if self.pieces is not None:
            return self.pieces
        ends = [*self.starts[1:].tolist(), len(self.buffer)]
        return map(self.buffer.__getitem__, map(slice, self.starts.tolist(), ends))

    def row(self, position: int) -> bytes:
        """One row's bytes."""
        is_last = position + 1 == len(self)
        end = len(self.buffer) if is_last else int(self.starts[position + 1])
        return self.buffer[int(self.starts[position]) : end]

    def hash_rows(self, function: HashFunction) -> npt.NDArray[np.uint64]:
        """Return each row's hash, as two little-endian halves: shape (rows, 2)."""
        return function.hash_each(self.rows())

    def read_field_counts(self) -> npt.NDArray[np.uint16]:
        """Read the number of fields that each row says it has."""
        if not len(self):
            return np.zeros(0, dtype=np.uint16)
        size = len(self.buffer) - FIELD_COUNT_BYTES + 1
        view = np.ndarray((size,), dtype=">u2", buffer=self.buffer, strides=(1,))
        return view[self.starts]

    def read_integers(self, position: int) -> npt.NDArray[np.int64]:
        """Read the values of a field that is an integer and never NULL, whatever its width."""
        starts = self._find_fields([position])[position]
        if not len(self):
            return starts
        width = int(self._framed_lengths(starts[:1])[0]) - FIELD_LENGTH_BYTES
        view = np.ndarray(
            (len(self.buffer) - width + 1,), dtype=f">i{width}", buffer=self.buffer, strides=(1,)
        )
        values: npt.NDArray[np.int64] = view[starts + FIELD_LENGTH_BYTES].astype(np.int64)
        return values

    def hash_fields(self, positions: Sequence[int]) -> npt.NDArray[np.uint32]:
        """FNV-1a of the framed fields (length and bytes) at ``positions``, in that order, of each row."""
        field_starts = self._find_fields(positions)
        hashes = np.full(len(self), _FNV_OFFSET_BASIS)
        for position in positions:
            starts = field_starts[position]
            _hash_on(self.buffer, starts, self._framed_lengths(starts), hashes)
        return hashes

    def _find_fields(self, positions: Sequence[int]) -> dict[int, Positions]:
        """Where the fields at ``positions`` begin, with their lengths' bytes."""
        found: dict[int, Positions] = {}
        here = self.starts + FIELD_COUNT_BYTES
        last = max(positions) if positions and len(self) else -1
        for position in range(last + 1):
            if position in positions:
                found[position] = here
            if position < last:
                here = here + self._framed_lengths(here)
        return found or dict.fromkeys(positions, self.starts)

    def _framed_lengths(self, field_starts: Positions) -> Positions:
        """Bytes of each field with its four bytes of length."""
        if not len(self):
            return field_starts
        lengths = np.ndarray(
            (len(self.buffer) - FIELD_LENGTH_BYTES + 1,), dtype=">i4", buffer=self.buffer, strides=(1,)
        )
        framed: Positions = np.maximum(lengths[field_starts], 0).astype(np.int64) + FIELD_LENGTH_BYTES
        return framed


def _hash_on(buffer: bytes, starts: Positions, lengths: Positions, hashes: npt.NDArray[np.uint32]) -> None:
    """Go on with FNV-1a over ``lengths[i]`` bytes from ``starts[i]``; changes ``hashes`` in place."""
    octets = np.frombuffer(buffer, np.uint8)
    shortest = int(lengths.min()) if len(lengths) else 0
    for offset in range(shortest):
        hashes ^= octets[starts + offset]
        hashes *= _FNV_PRIME
    remaining = np.flatnonzero(lengths > shortest)
    offset = shortest
    while len(remaining):
        hashes[remaining] = (hashes[remaining] ^ octets[starts[remaining] + offset]) * _FNV_PRIME
        offset += 1
        remaining = remaining[lengths[remaining] > offset]


def split_fields(row: bytes) -> tuple[bytes | None, ...]:
    """One row's fields as the server sent them; None is NULL."""
    fields: list[bytes | None] = []
    here = FIELD_COUNT_BYTES
    for _ in range(int.from_bytes(row[:FIELD_COUNT_BYTES], "big")):
        length = int.from_bytes(row[here : here + FIELD_LENGTH_BYTES], "big", signed=True)
        here += FIELD_LENGTH_BYTES
        fields.append(None if length < 0 else row[here : here + length])
        here += max(length, 0)
    return tuple(fields)


def join_fields(fields: Sequence[bytes | None]) -> bytes:
    """Return the row that ``split_fields`` takes apart."""
    parts = [len(fields).to_bytes(FIELD_COUNT_BYTES, "big")]
    for field in fields:
        parts.append((-1 if field is None else len(field)).to_bytes(FIELD_LENGTH_BYTES, "big", signed=True))
        parts.append(field or b"")
    return b"".join(parts)
