"""What a person sees while a load goes on, in a small window, in a large one, and in a log."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from blb_migration.cli.live_table import render_progress
from blb_migration.cli.progress_lines import LineRecord
from blb_migration.cli.run_record import RunRecord
from blb_migration.compare.run_checks import CheckResult
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.run_notes import RunNotes
from blb_migration.errors import TableFailed
from blb_migration.load.table import TableLoad
from blb_migration.migration import PhaseBegun, TableProgress
from blb_migration.plan.table_plans import TablePlan
from blb_migration_tests.catalogs import table
from blb_migration_tests.defs.stages import build_project

LONG_NAME = "production_order_operation_material_requirements"


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def plan_tables() -> tuple[TablePlan, ...]:
    expected = {LONG_NAME: 100_000_000, "articles": 10, "prices": 5_000_000, "units": None, "zones": 400}
    sources = [
        replace(table(name, "id int not null", "name nvarchar(40)"), row_estimate=rows)
        for name, rows in expected.items()
    ]
    return build_project(*sources).plan.tables


def load(record: RunObserver, clock: Clock, label: str, rows_per_second: int, seconds: int) -> None:
    """Four reports a second."""
    record.table_started(label)
    for quarter in range(1, seconds * 4 + 1):
        clock.now += 0.25
        rows = rows_per_second * quarter // 4
        record.table_progressed(TableProgress(label, rows, None, rows * 50, quarter / 4))


def play(record: RunObserver, clock: Clock) -> None:
    """Play a load to its middle: one table done, one failed, one building its indexes, one being read."""
    record.table_started("articles")
    record.table_loaded(TableLoad("articles", 1, 10, 10, 500, 450, 0.5, None))
    record.check_finished(CheckResult("articles", "content", True, ()))
    record.table_started("zones")
    record.step_failed("zones", TableFailed("table zones", found="broken"))
    load(record, clock, "prices", 500_000, 10)
    record.table_progressed(PhaseBegun("prices", "building indexes"))
    load(record, clock, LONG_NAME, 400_000, 60)


def render(width: int) -> list[str]:
    clock = Clock()
    record = RunRecord(plan_tables(), clock)
    play(RunNotes(plan_tables(), record, clock), clock)
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        console.print(render_progress(record, 30, width))
    return capture.get().rstrip("\n").split("\n")


def test_eighty_columns_hold_the_live_table_without_a_broken_line() -> None:
    lines = render(80)
    assert max(map(len, lines)) <= 80
    assert lines[0] == "1 of 5 tables done, 1 errors, 1:10"
    found = {line.split()[0]: line.split()[1:] for line in lines if line.split()[-1:] != ["left"]}
    assert found["articles"] == ["10", "100", "%", "equal"]
    assert found["prices"] == ["5,000,000", "100", "%", "indexes"]
    assert found["units"] == ["waiting"]
    [name] = [name for name in found if name.startswith("production")]
    assert name.endswith("…")
    assert found[name] == ["24,000,000", "24", "%", "400,000", "3:10", "loading"]


def test_a_hundred_and_twenty_columns_hold_expectations_sizes_and_averages_too() -> None:
    lines = render(120)
    assert max(map(len, lines)) <= 120
    [line] = [line for line in lines if line.startswith(LONG_NAME[:30])]
    assert line.split()[1:] == [
        "24,000,000", "100,000,000", "24", "%", "1,200.0", "400,000", "400,000", "3:10", "loading",
    ]  # fmt: skip
    assert any(line.endswith("building indexes") for line in lines)


def test_the_whole_load_stands_above_its_tables() -> None:
    headline = render(120)[1]
    assert headline.startswith("29,000,010 of about 105,000,010 rows")
    assert "20.0 MB/s" in headline
    assert "1 table of unknown size" in headline
    assert "more than 3:0" in headline or "more than 3:1" in headline


def test_a_small_window_shows_what_is_urgent() -> None:
    clock = Clock()
    record = RunRecord(plan_tables(), clock)
    play(RunNotes(plan_tables(), record, clock), clock)
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(render_progress(record, 10, 80))
    text = capture.get()
    assert "zones" in text
    assert "prices" in text
    assert "units" not in text


def write_lines(seconds: int) -> list[str]:
    clock = Clock()
    out = io.StringIO()
    record = LineRecord(Console(width=160, file=out, highlight=False, soft_wrap=True), plan_tables(), clock)
    notes = RunNotes(plan_tables(), record, clock)
    load(notes, clock, LONG_NAME, 10_000, seconds)
    notes.table_progressed(PhaseBegun(LONG_NAME, "building indexes"))
    notes.table_loaded(TableLoad(LONG_NAME, 1, 9, 9, 500, 450, seconds, None))
    return out.getvalue().splitlines()


def test_a_short_load_has_its_one_line_in_a_log() -> None:
    [line] = write_lines(2)
    assert line.split() == [LONG_NAME, "9", "rows", "0.0", "MB", "2.00", "s", "4", "rows/s"]


def test_a_longer_load_says_every_ten_seconds_how_far_it_is() -> None:
    lines = write_lines(25)
    assert [line.split()[0] for line in lines] == [LONG_NAME, "all", LONG_NAME, "all", LONG_NAME, LONG_NAME]
    assert "100,000 of about 100,000,000 rows (0 %), 5.0 MB, 10,000 rows/s" in lines[0]
    assert lines[1].startswith("all tables ")
    assert "0 of 5 tables, 100,000 of about 105,000,410 rows, 5.0 MB, 0.5 MB/s" in lines[1]
    assert lines[4].endswith("building indexes")


def test_a_load_of_two_hours_leaves_a_readable_log() -> None:
    lines = [line for line in write_lines(7200) if line.startswith(LONG_NAME)]
    assert 120 < len(lines) < 250


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_that_loads_nothing_shows_no_figures_of_a_load(width: int) -> None:
    record = RunRecord(plan_tables(), Clock())
    record.check_finished(CheckResult("articles", "content", True, ()))
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(render_progress(record, 30, width))
    assert "MB/s" not in capture.get()
    assert capture.get().splitlines()[1].startswith("table ")
