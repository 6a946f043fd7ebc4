"""How far a load is, how fast it goes and what is left: from the data path's reports, per table and in all.

Arithmetic only, one table's is in ``table_meter``; what is shown where is ``cli/progress_lines``'s and
``defs/progress_log``'s, the words are ``progress_text``'s. Unknown is None, never a guess in disguise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blb_migration.migration import PhaseBegun, ProgressEvent, TableProgress
from blb_migration.progress.rates import Clock, SmoothedRate
from blb_migration.progress.table_meter import (
    CURRENT_SECONDS,
    LEAST_SECONDS,
    TableMeter,
    TableReading,
    estimate_seconds_left,
)

if TYPE_CHECKING:
    from blb_migration.plan.table_plans import TablePlan

# What is left in all is judged by a longer past: building an index of minutes must not count as a halt.
PACE_SECONDS = 600.0
_LEAST_SHARE = 0.01  # of the bytes, before anything is said of the time left


@dataclass(frozen=True)
class RunReading:
    """All tables of a load at one moment.

    ``rows_expected`` adds up what is known; ``unknown_tables`` have no estimate, or hold more than it, and
    are not in ``seconds_left``, which is None as long as too little has been read to tell.
    """

    tables: int
    tables_loaded: int
    tables_given_up: int
    unknown_tables: int
    rows: int
    rows_expected: int
    source_bytes: int
    seconds: float
    bytes_per_second: float | None
    share_done: float | None
    seconds_left: float | None

    @property
    def has_begun(self) -> bool:
        """Whether any table's load has begun."""
        return self.seconds > 0 or self.rows > 0

    @property
    def is_over(self) -> bool:
        """Whether no table is left to be loaded."""
        return self.tables_loaded + self.tables_given_up >= self.tables


class RunMeter:
    """What the data path reports of all tables, added up; thread-safe."""

    def __init__(self, tables: Sequence[TablePlan], clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tables = {table.label: TableMeter(table) for table in tables}
        self._upstream = {table.label: table.upstream for table in tables}
        self._left_out: set[str] = set()
        self._started_at: float | None = None
        self._ended_at: float | None = None

    def expect(self, row_estimates: Mapping[str, int]) -> None:
        """Take over the source's estimates by label, newer than the plan's."""
        with self._lock:
            for label, rows in row_estimates.items():
                if label in self._tables:
                    self._tables[label].rows_expected = rows

    def leave_out(self, labels: Iterable[str]) -> None:
        """Count these tables only if they are loaded after all: the run does not ask for them."""
        with self._lock:
            self._left_out |= {*labels}

    def begin_table(self, label: str) -> None:
        """Begin the table's load, for the first time or again."""
        with self._lock:
            self._begin(self._tables[label], self._clock())

    def report(self, event: ProgressEvent) -> None:
        """Take in what the data path says."""
        with self._lock:
            now = self._clock()
            table = self._tables[event.label]
            if table.stage != "loading":
                self._begin(table, now - (event.elapsed_seconds if isinstance(event, TableProgress) else 0.0))
            if isinstance(event, PhaseBegun):
                table.phase, table.phase_at = event.phase, now
                return
            if event.rows_expected is not None:  # asked by the load itself: newer than the plan's
                table.rows_expected = event.rows_expected
            read_bytes = table.count(event, now)
            self._rate.add(read_bytes, now)
            self._pace.add(read_bytes, now)

    def end_table(self, label: str, rows: int, source_bytes: int) -> None:
        """Count the table as loaded and committed."""
        with self._lock:
            now = self._clock()
            table = self._tables[label]
            if table.stage == "waiting":
                self._begin(table, now)
            table.stage, table.ended_at = "loaded", now
            missed_bytes = max(source_bytes - table.source_bytes, 0)
            table.rows, table.source_bytes = rows, source_bytes
            self._rate.add(missed_bytes, now)
            self._pace.add(missed_bytes, now)
            self._note_end(now)

    def give_up(self, label: str) -> None:
        """Give up a table that has failed or differs: no table that needs it will be loaded in this run."""
        with self._lock:
            now = self._clock()
            table = self._tables.get(label)
            if table is not None and table.stage != "loaded":
                table.stage, table.ended_at = "given up", now
            lost = {label}
            while more := {
                child
                for child, parents in self._upstream.items()
                if child not in lost and self._tables[child].stage == "waiting" and lost & {*parents}
            }:
                lost |= more
            for child in lost - {label}:
                self._tables[child].stage = "given up"
            self._note_end(now)

    def read_table(self, label: str) -> TableReading:
        """Read the table at this moment."""
        with self._lock:
            return self._tables[label].read(self._clock())

    def read_run(self) -> RunReading:
        """All tables at this moment."""
        with self._lock:
            now = self._clock() if self._ended_at is None else self._ended_at
            counted = [table for table in self._tables.values() if table.label not in self._left_out]
            tables = [table for table in counted if table.stage != "given up"]
            loaded = sum(table.stage == "loaded" for table in tables)
            unknown = sum(table.is_unknown and table.stage != "loaded" for table in tables)
            rows = sum(table.rows for table in tables)
            bytes_done = sum(table.source_bytes for table in tables)
            bytes_left = sum(table.rows_left * width for table, width in self._iterate_widths(tables))
            is_known = not unknown and bytes_done + bytes_left > 0
            seconds = 0.0 if self._started_at is None else now - self._started_at
            return RunReading(
                tables=len(counted),
                tables_loaded=loaded,
                tables_given_up=len(counted) - len(tables),
                unknown_tables=unknown,
                rows=rows,
                rows_expected=rows + sum(table.rows_left for table in tables),
                source_bytes=bytes_done,
                seconds=seconds,
                bytes_per_second=self._rate.read(now) if self._started_at is not None else None,
                share_done=bytes_done / (bytes_done + bytes_left) if is_known else None,
                seconds_left=self._read_seconds_left(bytes_done, bytes_left, seconds, now),
            )

    def _read_seconds_left(
        self, bytes_done: float, bytes_left: float, seconds: float, now: float
    ) -> float | None:
        if seconds < LEAST_SECONDS or bytes_done < _LEAST_SHARE * (bytes_done + bytes_left) or not bytes_left:
            return None
        return estimate_seconds_left(bytes_left, self._pace.read(now))

    def _iterate_widths(self, tables: Iterable[TableMeter]) -> Iterable[tuple[TableMeter, float]]:
        """Each table with its bytes per row: measured, else guessed, to the scale of those measured."""
        measured = [table for table in tables if table.rows > 0 and table.source_bytes > 0]
        guessed_bytes = sum(table.rows * table.guessed_row_bytes for table in measured)
        scale = sum(table.source_bytes for table in measured) / guessed_bytes if guessed_bytes else 1.0
        for table in tables:
            if table.rows > 0 and table.source_bytes > 0:
                yield table, table.source_bytes / table.rows
            else:
                yield table, table.guessed_row_bytes * scale

    def _begin(self, table: TableMeter, now: float) -> None:
        if self._started_at is None:
            self._started_at = now
            self._rate = SmoothedRate(CURRENT_SECONDS, now)
            self._pace = SmoothedRate(PACE_SECONDS, now)
        self._ended_at = None
        self._left_out.discard(table.label)
        table.begin(now)

    def _note_end(self, now: float) -> None:
        ended = ("loaded", "given up")
        if all(table.stage in ended or table.label in self._left_out for table in self._tables.values()):
            self._ended_at = now
