"""From buckets that differ to the rows that do: two more passes over each side, in bounded memory.

The first pass notes digest and key hash of every row in such a bucket (12 bytes a row); what has no equal
on the other side is counted. The second takes those rows themselves out, up to a limit: both versions of
a changed row have the same key hash, so that the limit never parts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blb_migration.postgres.binary.blocks import RowBlock
from blb_migration.postgres.binary.digest import BUCKET_COUNT, ContentKey, find_buckets
from blb_migration.postgres.binary.hash_functions import HashFunction

KEPT_ROWS = 1000
KEPT_BYTES = 64 * 1024 * 1024

ReadSide = Callable[[], Iterable[RowBlock]]
_Halves = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class DifferingRows:
    """Rows without an equal on the other side: how many, and the first ``KEPT_ROWS`` key hashes' worth."""

    source_count: int
    target_count: int
    source_rows: tuple[bytes, ...]
    target_rows: tuple[bytes, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all of them were kept."""
        return (len(self.source_rows), len(self.target_rows)) == (self.source_count, self.target_count)


@dataclass(frozen=True)
class _Noted:
    """Rows of one side in differing buckets: half of each digest, and the hash of its key."""

    digests: _Halves
    key_hashes: npt.NDArray[np.uint32]


def narrow_to_rows(
    read_source: ReadSide,
    read_target: ReadSide,
    buckets: Sequence[int],
    key: ContentKey,
    function: HashFunction,
) -> DifferingRows:
    """Return the rows in ``buckets`` that the other side has not, or not as often.

    ``function`` is that of the digests whose buckets differ. Passes on what reading raises.
    """
    source, target = (_note_rows(read(), buckets, key, function) for read in (read_source, read_target))
    only_source, only_target = _subtract(source, target), _subtract(target, source)
    hashes = np.unique(np.concatenate([only_source.key_hashes, only_target.key_hashes]))[:KEPT_ROWS]
    return DifferingRows(
        len(only_source.digests),
        len(only_target.digests),
        _take_rows(read_source(), _choose(only_source, hashes), function),
        _take_rows(read_target(), _choose(only_target, hashes), function),
    )


def _note_rows(
    blocks: Iterable[RowBlock], buckets: Sequence[int], key: ContentKey, function: HashFunction
) -> _Noted:
    is_wanted = np.zeros(BUCKET_COUNT, dtype=np.bool_)
    is_wanted[list(buckets)] = True
    halves, hashes = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
    for block in blocks:
        digests = block.hash_rows(function)
        chosen = is_wanted[find_buckets(block, digests, key)]
        halves.append(digests[chosen, 0])
        # Without a key the versions of a row have nothing in common to be found by.
        hashes.append(
            block.hash_fields(key.positions)[chosen]
            if key.positions
            else digests[chosen, 1].astype(np.uint32)
        )
    return _Noted(np.concatenate(halves), np.concatenate(hashes))


def _subtract(own: _Noted, other: _Noted) -> _Noted:
    """Return the rows of ``own`` that remain when each row of ``other`` takes one equal row away."""
    order = np.argsort(own.digests, kind="stable")
    digests = own.digests[order]
    first_of_run = np.searchsorted(digests, digests, side="left")
    number_in_run = np.arange(len(digests)) - first_of_run
    others = np.sort(other.digests)
    times_there = np.searchsorted(others, digests, "right") - np.searchsorted(others, digests, "left")
    remains = number_in_run >= times_there
    return _Noted(digests[remains], own.key_hashes[order][remains])


def _choose(rows: _Noted, hashes: npt.NDArray[np.uint32]) -> Counter[int]:
    """How often each digest is to be taken."""
    return Counter(rows.digests[np.isin(rows.key_hashes, hashes)].tolist())


def _take_rows(blocks: Iterable[RowBlock], wanted: Counter[int], function: HashFunction) -> tuple[bytes, ...]:
    taken: list[bytes] = []
    taken_bytes = 0
    remaining = wanted.total()
    digests_wanted = np.array(sorted(wanted), dtype=np.uint64)
    for block in blocks if remaining else ():
        digests = block.hash_rows(function)[:, 0]
        chosen = np.flatnonzero(np.isin(digests, digests_wanted))
        for position in chosen.tolist():
            digest = int(digests[position])
            if wanted[digest] > 0 and taken_bytes < KEPT_BYTES:
                wanted[digest] -= 1
                remaining -= 1
                taken.append(block.row(position))
                taken_bytes += len(taken[-1])
        if not remaining:
            break
    return tuple(taken)
