"""Which tables are loaded in chunks of their key, and where they are cut. Reads the source, loads nothing.

Chunks follow one column, the first of the source's clustered index, from bound to bound; the first and the
last chunk are open, so that no row lies outside. Whatever the bounds are, as long as they ascend for the
source, each row is in exactly one chunk; where they lie only decides how even the chunks are:

- a unique integer without large gaps is cut every so many numbers: two look-ups, and no chunk can hold more
  rows than numbers;
- else the statistics' histogram gives bounds, and every stretch of it that is too large, or that it does
  not know (below its first key, above its last), is counted and cut by rows;
- without a histogram the whole index is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from blb_migration.feed.digesting import find_content_key
from blb_migration.migration import Loading
from blb_migration.model import Column
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.binary.digest import UNIT_BITS
from blb_migration.sqlserver.chunk_keys import (
    INTEGER_TYPES,
    HistogramStep,
    TableSize,
    are_ascending,
    build_key_range,
    is_chunkable,
    read_clustered_column,
    read_histogram,
    read_key_extremes,
    read_row_bounds,
)
from blb_migration.sqlserver.connect import SourceSession

CHUNK_ROWS = 100_000
CHUNK_BYTES = 256 * 1024 * 1024
# From so few on a chunk is a small loss; with more the ledger's rows would weigh as much as the table's.
FEWEST_CHUNKS, MOST_CHUNKS = 20, 2_000
LEAST_CHUNK_ROWS = 1_000
USUAL_ROW_BYTES = 256
# How many numbers per row make an integer key too sparse to be cut without counting.
_MOST_NUMBERS_PER_ROW = 4
_UNIT = 1 << UNIT_BITS

ChunkEnds = tuple[str | None, str | None]


@dataclass(frozen=True)
class ChunkColumn:
    """The column along which a table is cut, the table's rows, and how many of them a chunk should have.

    ``is_aligned``: the digest hashes whole units of 64 numbers, which no chunk may cut.
    """

    column: Column
    row_count: int
    chunk_rows: int
    is_unique: bool
    is_aligned: bool


def choose_chunk_column(
    session: SourceSession, table: TablePlan, size: TableSize | None, loading: Loading
) -> ChunkColumn | None:
    """Choose how to cut the table; None for one that is small, or has no column to cut it by.

    ``size`` is how large it is now; the plan's estimate, as old as the project's catalog.json, stands in
    where the server does not say.

    Under isolation "snapshot" a table is read from one moment, which no two sessions share: it is
    not cut. Raises SourceError.
    """
    if session.isolation == "snapshot":
        return None
    size = size or TableSize(table.source.row_estimate or 0, 0)
    is_large = size.byte_count >= loading.chunked_from_rows * USUAL_ROW_BYTES
    if size.row_count < loading.chunked_from_rows and not is_large:
        return None
    name = read_clustered_column(session, table.source.name)
    column = next((pair.source for pair in table.columns if pair.source.name == name), None)
    if column is None or not is_chunkable(column):
        return None
    key = find_content_key(table)
    if key.is_ordered and table.columns[key.positions[0]].source.name != name:
        return None
    unique_keys = [table.source_key, *(unique.columns for unique in table.source.unique_keys)]
    return ChunkColumn(
        column,
        size.row_count,
        loading.chunk_rows or choose_chunk_rows(size.row_count, size.byte_count),
        is_unique=(column.name,) in unique_keys,
        is_aligned=key.is_ordered,
    )


def choose_chunk_rows(row_count: int, table_bytes: int) -> int:
    """Choose how many rows a chunk should have, for a table of so many rows and bytes (0: unknown)."""
    wanted = min(CHUNK_ROWS, row_count // FEWEST_CHUNKS)
    if table_bytes:
        wanted = min(wanted, CHUNK_BYTES * row_count // table_bytes)
    least = LEAST_CHUNK_ROWS if table_bytes < LEAST_CHUNK_ROWS * row_count else 1
    return max(wanted, least, row_count // MOST_CHUNKS)


def plan_chunks(
    session: SourceSession, table: TablePlan, chunked: ChunkColumn
) -> tuple[ChunkEnds, ...] | None:
    """Plan chunks that hold every row once; None where the source does not sort bounds as it gave them.

    They ascend. Each is (first key, key before which it ends), as the source writes keys, None where it is
    open. Raises SourceError.
    """
    bounds = _read_bounds(session, table, chunked)
    if chunked.column.type.name in INTEGER_TYPES:
        numbers = sorted({_align(int(bound), chunked) for bound in bounds})
        bounds = [str(number) for number in numbers]
    else:
        bounds = [bound for bound, _ in groupby(bounds)]
        if not are_ascending(session, table.source.name, chunked.column, bounds):
            return None
    return tuple(pairwise([None, *bounds, None]))


def _align(number: int, chunked: ChunkColumn) -> int:
    return number // _UNIT * _UNIT if chunked.is_aligned else number


def _read_bounds(session: SourceSession, table: TablePlan, chunked: ChunkColumn) -> list[str]:
    if chunked.is_unique and chunked.column.type.name in INTEGER_TYPES:
        extremes = read_key_extremes(session, table.source.name, chunked.column)
        if extremes is None:
            return []
        low, high = extremes
        if high - low < _MOST_NUMBERS_PER_ROW * chunked.row_count:
            width = -(-chunked.chunk_rows // _UNIT) * _UNIT if chunked.is_aligned else chunked.chunk_rows
            return [str(number) for number in range(_align(low, chunked) + width, high + 1, width)]
    steps = read_histogram(session, table.source.name, chunked.column)
    return list(_refine(session, table, chunked, _merge_small_steps(steps, chunked.chunk_rows)))


def _merge_small_steps(steps: Iterable[HistogramStep], chunk_rows: int) -> list[HistogramStep]:
    """Make one of the steps that have ``chunk_rows`` rows together."""
    merged: list[HistogramStep] = []
    for step in steps:
        # The first step begins below all keys that the histogram knows: it stays alone, to be counted.
        if len(merged) > 1 and merged[-1].rows_before + step.rows_before <= chunk_rows:
            merged[-1] = HistogramStep(step.key, merged[-1].rows_before + step.rows_before)
        else:
            merged.append(step)
    return merged


def _refine(
    session: SourceSession, table: TablePlan, chunked: ChunkColumn, steps: list[HistogramStep]
) -> Iterator[str]:
    """Yield the steps' keys, and between them those that counting finds where the histogram is too coarse.

    Neighbouring stretches that need counting are counted together: it is one scan either way.
    """
    ends: list[str | None] = [*(step.key for step in steps), None]
    is_coarse = [step.rows_before > 2 * chunked.chunk_rows for step in steps] + [True]
    is_coarse[0] = True
    first: str | None = None
    for coarse, group in groupby(zip(ends, is_coarse, strict=True), key=lambda item: item[1]):
        stretch = [end for end, _ in group]
        if coarse:
            key_range = build_key_range(chunked.column, first, stretch[-1])
            yield from read_row_bounds(
                session, table.source.name, chunked.column, key_range, chunked.chunk_rows
            )
            kept = stretch[-1:]
        else:
            kept = stretch
        yield from (end for end in kept if end is not None)
        first = stretch[-1]
