"""Progress while a run goes on: a live table on a terminal, one line per finished table elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from blb_migration.command.record import RunRecord, TableStanding, TableState

if TYPE_CHECKING:
    from blb_migration.migrate.preflight import PreflightResult
    from blb_migration.migrate.table import TableLoad
    from blb_migration.plan.build import TablePlan
    from blb_migration.reconcile.checks import CheckResult

REFRESHES_PER_SECOND = 5
_LINES_BESIDE_TABLE = 6  # headline, column heads, and room for the prompt
# What a person wants to see first where the window is too small for all tables.
_URGENCY: dict[TableState, int] = {
    "failed": 0,
    "not equal": 0,
    "loading": 1,
    "checking": 1,
    "equal": 2,
    "waiting": 3,
}
_STYLES: dict[TableState, str] = {"failed": "red", "not equal": "red", "equal": "green", "waiting": "dim"}


@contextmanager
def shown_progress(console: Console, tables: Sequence[TablePlan]) -> Iterator[RunRecord]:
    """A record of the run whose progress is shown on ``console`` until the end of the block."""
    if not console.is_terminal:
        yield LineRecord(console, tables)
        return
    record = RunRecord(tables)
    with Live(
        get_renderable=lambda: render_progress(record, console.height),
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
    ):
        yield record


class LineRecord(RunRecord):
    """A record that writes a line for each table that is loaded, differs or fails."""

    def __init__(self, console: Console, tables: Sequence[TablePlan]) -> None:
        super().__init__(tables)
        self._console = console
        self._width = max((len(table.label) for table in tables), default=0)

    def preflight_finished(self, result: PreflightResult) -> None:
        """Say how many findings there are."""
        super().preflight_finished(result)
        self._say("preflight", f"{len(result.findings)} findings")

    def table_loaded(self, load: TableLoad) -> None:
        """Say how many rows were loaded, and how fast."""
        super().table_loaded(load)
        rate = self.tables[load.label].rows_per_second
        speed = f"  {rate:>12,.0f} rows/s" if rate else ""
        self._say(load.label, f"{load.rows_written:>12,} rows  {load.elapsed_seconds:>8.2f} s{speed}")

    def check_finished(self, result: CheckResult) -> None:
        """Say what differs; equality needs no line."""
        super().check_finished(result)
        for comparison in result.comparisons:
            if not comparison.match:
                self._say(
                    result.label,
                    f"NOT EQUAL  {comparison.name}: source {comparison.source_value}, "
                    f"target {comparison.target_value}",
                )

    def step_failed(self, step: str, error: BaseException) -> None:
        """Say that a step failed; its cause comes with the outcome."""
        super().step_failed(step, error)
        self._say(step, "FAILED")

    def _say(self, subject: str, text: str) -> None:
        self._console.print(f"{subject:<{self._width}}  {text}", markup=False)


def render_progress(record: RunRecord, height_lines: int) -> RenderableType:
    """The headline and as many tables as fit, the most urgent ones, in load order."""
    standings = list(record.tables.values())
    room = max(height_lines - _LINES_BESIDE_TABLE, 1)
    # Of the tables that are done, the latest are the ones to show.
    urgent = sorted(
        range(len(standings)),
        key=lambda index: (
            _URGENCY[standings[index].state],
            -index if standings[index].state == "equal" else index,
        ),
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("table", no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("expected", justify="right")
    table.add_column("rows/s", justify="right")
    table.add_column("state")
    for index in sorted(urgent[:room]):
        table.add_row(*_render_cells(standings[index]))
    return Group(_render_headline(record, standings), table)


def _render_headline(record: RunRecord, standings: Sequence[TableStanding]) -> Text:
    states = [standing.state for standing in standings]
    done = states.count("equal") + states.count("not equal")
    rows = sum(standing.rows for standing in standings)
    errors = len(record.failures) + states.count("not equal")
    elapsed_seconds = time.monotonic() - record.started_at
    return Text(
        f"{done} of {len(standings)} tables, {rows:,} rows, {errors} errors, {elapsed_seconds:.0f} s",
        style="bold",
    )


def _render_cells(standing: TableStanding) -> tuple[Text, ...]:
    expected = f"{standing.rows_expected:,}" if standing.rows_expected is not None else ""
    rate = standing.rows_per_second
    return (
        Text(standing.label),
        Text(f"{standing.rows:,}" if standing.state != "waiting" else ""),
        Text(expected, style="dim"),
        Text(f"{rate:,.0f}" if rate else ""),
        Text(standing.state, style=_STYLES.get(standing.state, "")),
    )
