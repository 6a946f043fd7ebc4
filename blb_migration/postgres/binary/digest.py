"""The digest of a table's content: units are hashed, and the hashes summed up in buckets.

A unit is one row; where the key is one integer, by which both engines sort alike, the rows of 64
successive key numbers are hashed at once, which is several times faster. Sums do not depend on the
units' order, so text and GUID keys need none, and several readers may share a table (by ranges of key
numbers that begin at multiples of 64); unlike xor, they count a row that is there twice. A row's bucket
follows from its key: both versions of a changed row are in the same one. See docs/digest.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from blb_migration.postgres.binary.blocks import RowBlock
from blb_migration.postgres.binary.hash_functions import (
    CURRENT_HASH,
    HASH_BYTES,
    HashFunction,
    RunningHash,
    split_hashes,
)

BUCKET_COUNT = 1024
UNIT_BITS = 6  # 64 key numbers

Buckets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ContentKey:
    """What tells rows apart: the positions of its fields, in key order; none: rows have no names.

    ``is_ordered``: one integer, never NULL, by which both sides deliver their rows in ascending order.
    """

    positions: tuple[int, ...]
    is_ordered: bool = False


class TableDigest:
    """Sums of units' hashes by bucket; equal contents give equal digests of the same ``function``.

    ``row_counts`` has shape (1024,), ``sums`` (1024, 2): the hashes' low and high halves, each modulo
    2**64.
    """

    def __init__(self, function: HashFunction = CURRENT_HASH) -> None:
        self.function = function
        self.row_counts = np.zeros(BUCKET_COUNT, dtype=np.int64)
        self.sums = np.zeros((BUCKET_COUNT, 2), dtype=np.uint64)

    def add(self, hashes: npt.NDArray[np.uint64], buckets: Buckets, row_counts: Buckets) -> None:
        """Add units: their hashes as two halves each, their buckets, and how many rows each has."""
        np.add.at(self.row_counts, buckets, row_counts)
        np.add.at(self.sums[:, 0], buckets, hashes[:, 0])
        np.add.at(self.sums[:, 1], buckets, hashes[:, 1])

    def merge(self, other: TableDigest) -> None:
        """Add what another reader of the same table has added up, by the same function."""
        self._require_same_function(other)
        self.row_counts += other.row_counts
        self.sums += other.sums

    @property
    def row_count(self) -> int:
        """All rows."""
        return int(self.row_counts.sum())

    def differing_buckets(self, other: TableDigest) -> tuple[int, ...]:
        """Return the buckets whose contents are not the same, ascending."""
        self._require_same_function(other)
        differs = (self.row_counts != other.row_counts) | np.any(self.sums != other.sums, axis=1)
        return tuple(np.flatnonzero(differs).tolist())

    def hexdigest(self) -> str:
        """SHA-256, in hexadecimal, over each bucket's count (8 bytes) and sums (16), all little-endian."""
        packed = np.empty((BUCKET_COUNT, 3), dtype="<u8")
        packed[:, 0] = self.row_counts
        packed[:, 1:] = self.sums
        return hashlib.sha256(packed.tobytes()).hexdigest()

    def filled_buckets(self) -> list[tuple[int, int, bytes]]:
        """(bucket, rows, sums as 16 bytes little-endian) of each bucket that holds rows."""
        return [
            (bucket, int(self.row_counts[bucket]), self.sums[bucket].astype("<u8").tobytes())
            for bucket in np.flatnonzero(self.row_counts).tolist()
        ]

    @classmethod
    def from_filled_buckets(
        cls, buckets: Sequence[tuple[int, int, bytes]], function: HashFunction = CURRENT_HASH
    ) -> Self:
        """Return the digest that ``filled_buckets`` describes."""
        digest = cls(function)
        for bucket, row_count, sums in buckets:
            digest.row_counts[bucket] = row_count
            digest.sums[bucket] = np.frombuffer(sums, "<u8")
        return digest

    def _require_same_function(self, other: TableDigest) -> None:
        if other.function is not self.function:
            raise ValueError(f"digests by {self.function} and by {other.function} tell nothing of each other")


class _OpenUnit:
    """A unit of which more rows may come."""

    def __init__(self, number: int, running: RunningHash) -> None:
        self.number = number
        self.row_count = 0
        self.hash = running


class Digester:
    """Adds up one side's rows, block by block; ``finish`` gives the digest."""

    def __init__(self, key: ContentKey, function: HashFunction = CURRENT_HASH) -> None:
        self._key = key
        self._function = function
        self._digest = TableDigest(function)
        self._open: _OpenUnit | None = None
        self._last_key: int | None = None

    def add(self, block: RowBlock) -> None:
        """Add a block's rows. Raises ValueError when an ordered key does not ascend."""
        if not len(block):
            return
        if self._key.is_ordered:
            self._add_ordered(block)
        else:
            hashes = block.hash_rows(self._function)
            buckets = find_buckets(block, hashes, self._key)
            self._digest.add(hashes, buckets, np.ones(len(block), dtype=np.int64))

    def finish(self) -> TableDigest:
        """Return the digest of everything added; nothing may be added after."""
        self._close_unit()
        return self._digest

    def _add_ordered(self, block: RowBlock) -> None:
        keys = block.read_integers(self._key.positions[0])
        first = int(keys[0])
        if np.any(keys[1:] <= keys[:-1]) or (self._last_key is not None and first <= self._last_key):
            raise ValueError(f"rows do not come in the order of their key, near {first}")
        self._last_key = int(keys[-1])
        units = keys >> UNIT_BITS
        firsts = np.flatnonzero(np.append(True, units[1:] != units[:-1]))
        numbers, row_counts = units[firsts], np.diff(np.append(firsts, len(keys)))
        buffer = memoryview(block.buffer)
        starts = block.starts[firsts]
        bounds = np.append(starts, len(block.buffer))
        if self._open is not None and self._open.number == numbers[0]:
            self._go_on(buffer[: bounds[1]], int(row_counts[0]))
            numbers, row_counts, starts = numbers[1:], row_counts[1:], starts[1:]
        if not len(numbers):
            return
        self._close_unit()
        buckets = numbers % BUCKET_COUNT
        if len(numbers) > 1:
            unit_bytes = map(buffer.__getitem__, map(slice, starts[:-1].tolist(), starts[1:].tolist()))
            self._digest.add(self._function.hash_each(unit_bytes), buckets[:-1], row_counts[:-1])
        self._open = _OpenUnit(int(numbers[-1]), self._function.start())
        self._go_on(buffer[int(starts[-1]) :], int(row_counts[-1]))

    def _go_on(self, rows: memoryview, row_count: int) -> None:
        assert self._open is not None
        self._open.hash.update(rows)
        self._open.row_count += row_count

    def _close_unit(self) -> None:
        if self._open is not None:
            hashes = split_hashes(self._open.hash.digest()[:HASH_BYTES])
            bucket = np.array([self._open.number % BUCKET_COUNT])
            self._digest.add(hashes, bucket, np.array([self._open.row_count]))
            self._open = None


def digest_blocks(
    blocks: Iterable[RowBlock], key: ContentKey, function: HashFunction = CURRENT_HASH
) -> TableDigest:
    """Digest all rows of one side. Raises ValueError for rows that are not in the order of an ordered key."""
    digester = Digester(key, function)
    for block in blocks:
        digester.add(block)
    return digester.finish()


def find_buckets(block: RowBlock, hashes: npt.NDArray[np.uint64], key: ContentKey) -> Buckets:
    """Each row's bucket: its unit's; else from its key's hash; without a key from its own hash."""
    if key.is_ordered:
        return (block.read_integers(key.positions[0]) >> UNIT_BITS) % BUCKET_COUNT
    spread = block.hash_fields(key.positions) if key.positions else hashes[:, 0]
    buckets: Buckets = (spread % BUCKET_COUNT).astype(np.int64)
    return buckets
