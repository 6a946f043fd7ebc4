"""Progress while a run goes on: a live table on a terminal, lines elsewhere.

Lines: one per finished table, and for what lasts one every ten seconds at first, every minute later, so that
the log of a load of hours stays readable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from blb_migration.cli.live_table import render_progress
from blb_migration.cli.run_record import RunRecord
from blb_migration.migration import PhaseBegun, ProgressEvent
from blb_migration.progress.quantities import format_megabytes
from blb_migration.progress.rates import Clock, LogPace
from blb_migration.progress.wording import describe_run, describe_table
from blb_migration.report.metric_texts import describe_metric

if TYPE_CHECKING:
    from blb_migration.compare.run_checks import CheckResult
    from blb_migration.load.finish import RestoredConstraints
    from blb_migration.load.table import TableLoad
    from blb_migration.plan.table_plans import TablePlan
    from blb_migration.preflight.stage import PreflightResult

REFRESHES_PER_SECOND = 2  # each costs the load's process some milliseconds
_ALL_TABLES = "all tables"
_FOREIGN_KEYS = "foreign keys"
# A line about a table comes ten seconds after the last, then ever later, but every minute at least.
_PACE_SHARE = 0.02
_LONGEST_PAUSE_SECONDS = 60.0
_DIFFERENCES_SHOWN = 3  # of each table; its file has them all, up to a limit
_LEAST_SECONDS = 3.0  # of rows, before a phase gets a line of its own


@contextmanager
def shown_progress(
    console: Console, tables: Sequence[TablePlan], *, is_brief: bool = False
) -> Iterator[RunRecord]:
    """Yield a record of the run whose progress is shown on ``console`` until the end of the block.

    ``is_brief``: nothing is left to be read of it.
    """
    if not console.is_terminal and is_brief:
        yield RunRecord(tables)
        return
    if not console.is_terminal:
        yield LineRecord(console, tables)
        return
    record = LiveRecord(console, tables)
    with Live(
        get_renderable=lambda: render_progress(record, console.height, console.width),
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
    ):
        yield record


def _describe_differences(result: CheckResult) -> Iterator[str]:
    """Describe the first cells and rows that differ, by key and column, and name the file that has more."""
    if result.differences is None:
        return
    for line in result.differences.first[:_DIFFERENCES_SHOWN]:
        yield f"NOT EQUAL  {line}"
    if result.differences.first:
        yield f"what differs, by key and column: {result.differences.csv_path}"


class LiveRecord(RunRecord):
    """A record that is shown as a table; what has no row in it is said above it."""

    def __init__(self, console: Console, tables: Sequence[TablePlan]) -> None:
        super().__init__(tables)
        self._console = console

    def check_finished(self, result: CheckResult) -> None:
        """Say which cells differ, and where the rest of them is."""
        super().check_finished(result)
        for line in _describe_differences(result):
            self._console.print(f"{result.label}  {line}", markup=False)

    def keys_lasting(self, text: str) -> None:
        """Say which foreign key takes long."""
        self._console.print(text, markup=False)


class LineRecord(RunRecord):
    """A record that writes a line for each table that is loaded, differs or fails, and for what lasts."""

    def __init__(self, console: Console, tables: Sequence[TablePlan], clock: Clock = time.monotonic) -> None:
        super().__init__(tables, clock)
        self._console = console
        self._clock = clock
        self._width = max(len(label) for label in (_ALL_TABLES, *self.tables))
        self._paces: dict[str, LogPace] = {}
        self._run_pace = self._build_pace()

    def preflight_finished(self, result: PreflightResult) -> None:
        """Say how many findings there are."""
        super().preflight_finished(result)
        self._say("preflight", f"{len(result.findings)} findings")

    def table_started(self, label: str) -> None:
        """Say nothing for a while: most tables are loaded before there is anything to say."""
        self._paces[label] = self._build_pace()
        super().table_started(label)

    def table_progressed(self, event: ProgressEvent) -> None:
        """Say how far a table is that lasts, and how far all of them are."""
        super().table_progressed(event)
        is_due = self._paces[event.label].is_due()
        if not is_due and not isinstance(event, PhaseBegun):
            return
        reading = self.meter.read_table(event.label)
        if is_due or reading.seconds >= _LEAST_SECONDS:
            self._say(event.label, describe_table(reading))
        if is_due and len(self.tables) > 1 and self._run_pace.is_due():
            self._say(_ALL_TABLES, describe_run(self.meter.read_run()))

    def table_loaded(self, load: TableLoad) -> None:
        """Say how many rows were loaded, and how fast."""
        super().table_loaded(load)
        rate = load.rows_written / load.elapsed_seconds if load.elapsed_seconds else 0
        speed = f"  {rate:>12,.0f} rows/s" if rate else ""
        size = f"{format_megabytes(load.source_bytes):>10} MB"
        self._say(load.label, f"{load.rows_written:>12,} rows {size}  {load.elapsed_seconds:>8.2f} s{speed}")

    def check_finished(self, result: CheckResult) -> None:
        """Say what differs; equality needs no line."""
        super().check_finished(result)
        for comparison in result.comparisons:
            if not comparison.match:
                self._say(result.label, f"NOT EQUAL  {describe_metric(comparison)}")
        for line in _describe_differences(result):
            self._say(result.label, line)

    def keys_lasting(self, text: str) -> None:
        """Say which foreign key takes long."""
        self._say(_FOREIGN_KEYS, text)

    def keys_left_over(self, result: RestoredConstraints) -> None:
        """Say how many keys the end of the run has restored; the outcome names the others."""
        super().keys_left_over(result)
        in_place = sum(key.error is None for key in result.restored)
        self._say(_FOREIGN_KEYS, f"{in_place:,} of {len(result.restored):,} restored at the end of the run")

    def step_failed(self, step: str, error: BaseException) -> None:
        """Say that a step failed; its cause comes with the outcome."""
        super().step_failed(step, error)
        self._say(step, "FAILED")

    def _say(self, subject: str, text: str) -> None:
        self._console.print(f"{subject:<{self._width}}  {text}", markup=False)

    def _build_pace(self) -> LogPace:
        return LogPace(share=_PACE_SHARE, longest_seconds=_LONGEST_PAUSE_SECONDS, clock=self._clock)
