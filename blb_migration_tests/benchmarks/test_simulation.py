"""The replay of chunks knows lines, processors and the end of a load; growth follows from its constants."""

from __future__ import annotations

import pytest

from blb_migration_tests.benchmarks.simulation import Chunk, build_chunks, grow, replay

WAITING = Chunk(1.0, 0.1)  # for its line, nine tenths of the time


@pytest.mark.parametrize(("workers", "seconds"), [(1, 16.0), (2, 8.0), (4, 4.0), (16, 1.0)])
def test_workers_that_wait_for_their_lines_add_up(workers: int, seconds: float) -> None:
    assert replay([WAITING] * 16, workers, processors=2) == pytest.approx(seconds)


def test_processors_are_shared() -> None:
    busy = Chunk(1.0, 1.0)
    assert replay([busy] * 8, 2, processors=2) == pytest.approx(4.0)
    assert replay([busy] * 8, 4, processors=2) == pytest.approx(4.0)
    assert replay([Chunk(1.0, 0.75)] * 8, 4, processors=2) == pytest.approx(3.0)


def test_the_last_chunk_is_waited_for() -> None:
    assert replay([WAITING, WAITING, Chunk(5.0, 0.1)], 2, processors=2) == pytest.approx(6.0)


def test_a_chunk_is_never_longer_on_a_processor_than_it_took() -> None:
    (chunk,) = build_chunks([0.01], [1_000_000])
    assert chunk.processor_seconds == chunk.seconds == 0.01


def test_more_workers_help_until_the_target_is_the_limit() -> None:
    one, two, eight = (grow(1, 10_000, 1e10, n, processors=2, line_megabytes=20) for n in (1, 2, 8))
    assert one.hours_of_rows > two.hours_of_rows
    assert two.hours_of_rows == eight.hours_of_rows  # the target's processors
    assert one.sessions_for_that_line > 1
    wide = grow(10, 10_000, 1e10, 1, processors=2, line_megabytes=20)
    assert wide.hours_of_rows > 6 * one.hours_of_rows
    assert one.chunks == 0  # 100 MB a table
    assert grow(1, 100, 1e10, 1, processors=2, line_megabytes=20).chunks == 100_000
    assert grow(1, 20_000, 1e10, 1, processors=2, line_megabytes=20).ui_seconds == 2 * one.ui_seconds
