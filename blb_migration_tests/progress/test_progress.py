"""Metrics of a load: never absurd, never more than is known, whatever the estimates and the threads do."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace

import pytest

from blb_migration.migration import PhaseBegun, TableProgress
from blb_migration.plan.table_plans import TablePlan
from blb_migration.progress.quantities import format_clock
from blb_migration.progress.rates import LogPace, SmoothedRate
from blb_migration.progress.row_widths import guess_row_bytes
from blb_migration.progress.run_meter import RunMeter
from blb_migration.progress.table_meter import TableReading
from blb_migration.progress.wording import describe_run, describe_table
from blb_migration_tests.catalogs import column, table
from blb_migration_tests.defs.stages import build_project


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def plan_tables(**rows_expected: int | None) -> tuple[TablePlan, ...]:
    """Tables of one int column by name; ``child`` refers to ``parent``."""
    return build_project(
        *(
            replace(
                table(name, "id int not null", references={"id": "parent"} if name == "child" else None),
                row_estimate=rows,
            )
            for name, rows in rows_expected.items()
        )
    ).plan.tables


def load(
    meter: RunMeter, clock: Clock, label: str, rows_per_second: int, seconds: int, *, bytes_per_row: int = 4
) -> TableReading:
    """Report ``label`` once a second."""
    meter.begin_table(label)
    for second in range(1, seconds + 1):
        clock.now += 1
        rows = rows_per_second * second
        meter.report(TableProgress(label, rows, None, rows * bytes_per_row, second))
    return meter.read_table(label)


def test_a_table_in_the_middle_knows_its_share_rate_and_time_left() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=10_000), clock)
    reading = load(meter, clock, "items", 100, 20)
    assert reading.rows_per_second == pytest.approx(100)
    assert reading.average_rows_per_second == 100
    assert reading.share_done == 0.2
    assert reading.seconds_left == pytest.approx(80)
    assert describe_table(reading) == (
        "2,000 of about 10,000 rows (20 %), 0.0 MB, 100 rows/s, 100 on average, about 1:20 left"
    )


def test_the_rate_follows_a_source_that_slows_down_while_the_average_remembers() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=1_000_000), clock)
    load(meter, clock, "items", 1000, 100)
    for second in range(1, 31):
        clock.now += 1
        meter.report(TableProgress("items", 100_000 + second * 10, None, 0, 0))
    reading = meter.read_table("items")
    assert reading.rows_per_second == pytest.approx(10 + 990 * 2.718281828**-3, rel=0.01)
    assert reading.average_rows_per_second == pytest.approx(100_300 / 130)


def test_a_source_that_stands_still_has_no_time_left_that_grows_for_ever() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=1_000_000), clock)
    load(meter, clock, "items", 1000, 10)
    clock.now += 5
    assert meter.read_table("items").rows_per_second == pytest.approx(1000)
    clock.now += 300
    reading = meter.read_table("items")
    assert reading.rows_per_second == pytest.approx(0, abs=1e-3)
    assert reading.seconds_left is None


def test_more_rows_than_expected_are_said_to_be_more() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=500), clock)
    reading = load(meter, clock, "items", 100, 20)
    assert (reading.share_done, reading.seconds_left) == (None, None)
    assert "2,000 rows, more than the 500 expected" in describe_table(reading)
    total = meter.read_run()
    assert (total.share_done, total.seconds_left, total.unknown_tables) == (None, None, 1)
    assert "1 table of unknown size" in describe_run(total)


@pytest.mark.parametrize("estimate", [None, 0])
def test_a_table_without_an_estimate_promises_nothing(estimate: int | None) -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=estimate), clock)
    reading = load(meter, clock, "items", 100, 20)
    assert (reading.share_done, reading.seconds_left) == (None, None)
    assert "left" not in describe_table(reading)


def test_a_loaded_table_is_complete_whatever_was_expected() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=10_000), clock)
    load(meter, clock, "items", 100, 20)
    meter.end_table("items", 2_000, 8_000)
    reading = meter.read_table("items")
    assert (reading.stage, reading.share_done, reading.rows_expected) == ("loaded", 1.0, 2_000)
    total = meter.read_run()
    assert (total.is_over, total.share_done, total.seconds_left) == (True, 1.0, None)
    assert describe_run(total) == "1 of 1 tables, 2,000 rows, 0.0 MB"


def test_while_indexes_are_built_that_is_said_and_no_rate() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=2_100), clock)
    load(meter, clock, "items", 100, 20)
    meter.report(PhaseBegun("items", "building indexes"))
    clock.now += 75
    reading = meter.read_table("items")
    assert (reading.phase, reading.phase_seconds, reading.seconds_left) == ("building indexes", 75, None)
    assert reading.average_rows_per_second == 100
    assert describe_table(reading) == "2,000 rows, 0.0 MB, building indexes for 1:15"


def test_the_parts_of_a_split_table_add_up_and_a_part_begun_anew_counts_once() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=1_000), clock)
    meter.begin_table("items")
    clock.now += 1
    meter.report(TableProgress("items", 300, None, 1_200, 1, part=1))
    meter.report(TableProgress("items", 200, None, 800, 1, part=2))
    meter.report(TableProgress("items", 50, None, 200, 1, part=2))
    clock.now += 1
    meter.report(TableProgress("items", 250, None, 1_000, 2, part=2))
    reading = meter.read_table("items")
    assert (reading.rows, reading.source_bytes) == (550, 2_200)


def test_rows_kept_from_a_broken_load_are_done_but_no_speed() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=1_000_000), clock)
    meter.begin_table("items")
    meter.report(TableProgress("items", 900_000, None, 3_600_000, 0, part=1, is_kept=True))
    for second in range(1, 11):
        clock.now += 1
        meter.report(TableProgress("items", 1_000 * second, None, 4_000 * second, second, part=2))
    reading = meter.read_table("items")
    assert reading.rows == 910_000
    assert reading.rows_per_second == pytest.approx(1_000)
    assert reading.average_rows_per_second == 1_000
    assert reading.seconds_left == pytest.approx(90)
    assert meter.read_run().seconds_left == pytest.approx(90)


def test_reports_of_many_threads_lose_nothing() -> None:
    meter = RunMeter(plan_tables(items=None))
    meter.begin_table("items")

    def report(part: int) -> None:
        for batch in range(1, 501):
            meter.report(TableProgress("items", batch * 10, None, batch * 40, 0, part=part))

    threads = [threading.Thread(target=report, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reading = meter.read_table("items")
    assert (reading.rows, reading.source_bytes) == (40_000, 160_000)


def test_the_whole_is_judged_by_bytes_since_tables_differ_in_width() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(narrow=1_000, wide=1_000), clock)
    load(meter, clock, "narrow", 100, 10, bytes_per_row=10)
    meter.end_table("narrow", 1_000, 10_000)
    load(meter, clock, "wide", 10, 10, bytes_per_row=1_000)
    total = meter.read_run()
    assert (total.tables_loaded, total.rows, total.rows_expected) == (1, 1_100, 2_000)
    assert total.share_done == pytest.approx(110_000 / 1_010_000)
    assert "1,100 of about 2,000 rows, 10 % of the bytes" in describe_run(total)
    # 900,000 bytes at 110,000 bytes in 20 seconds, where the last ten weigh a little more.
    assert total.seconds_left == pytest.approx(900_000 / 5_500, rel=0.02)


def test_small_tables_before_a_large_one_say_nothing_of_the_time_it_takes() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(large=100_000_000, small=10), clock)
    load(meter, clock, "small", 2, 5)
    meter.end_table("small", 10, 40)
    assert meter.read_run().seconds_left is None
    assert "left" not in describe_run(meter.read_run())


def test_a_table_of_unknown_size_makes_the_time_left_a_lower_bound() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=2_000, mystery=None), clock)
    load(meter, clock, "items", 100, 10)
    assert describe_run(meter.read_run()).endswith("more than 0:10 left, 1 table of unknown size")


def test_tables_below_a_failed_one_are_not_waited_for() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(child=1_000, items=2_000, parent=1_000), clock)
    load(meter, clock, "parent", 100, 5)
    meter.give_up("parent")
    load(meter, clock, "items", 100, 10)
    total = meter.read_run()
    assert (total.tables_given_up, total.rows, total.rows_expected) == (2, 1_000, 2_000)
    meter.end_table("items", 2_000, 8_000)
    assert meter.read_run().is_over


def test_a_table_that_is_tried_again_begins_at_nothing() -> None:
    clock = Clock()
    meter = RunMeter(plan_tables(items=10_000), clock)
    load(meter, clock, "items", 100, 20)
    assert load(meter, clock, "items", 10, 20).rows == 200


def test_estimates_of_the_source_replace_those_of_the_plan() -> None:
    meter = RunMeter(plan_tables(items=None), Clock())
    meter.expect({"items": 70, "not planned": 1})
    assert meter.read_run().rows_expected == 70


def test_a_clock_that_stands_still_divides_by_nothing() -> None:
    rate = SmoothedRate(10, 5)
    rate.add(100, 5)
    assert rate.read(5) is None
    rate.add(100, 6)
    assert rate.read(6) == pytest.approx(200)


def test_lines_come_soon_then_ever_more_rarely() -> None:
    clock = Clock(0)
    pace = LogPace(clock=clock)
    spoken = []
    for second in range(7200):
        clock.now = second
        if pace.is_due():
            spoken.append(second)
    assert spoken[:3] == [10, 20, 30]
    assert max(later - earlier for earlier, later in itertools.pairwise(spoken)) == 300
    assert len(spoken) < 70


def test_unmeasured_rows_are_weighed_by_their_columns() -> None:
    narrow = guess_row_bytes([column("id int").type])
    wide = guess_row_bytes([column("id int").type, column("note nvarchar(200)").type])
    unlimited = guess_row_bytes([column("id int").type, column("note nvarchar").type])
    assert narrow == 4
    assert narrow < wide < unlimited


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00"), (67, "1:07"), (3599.6, "1:00:00")])
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert format_clock(seconds) == text
