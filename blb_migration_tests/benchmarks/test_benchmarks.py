"""The benchmark itself works: every contestant moves every row. How fast is not a test's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blb_migration_tests.benchmarks.__main__ import main
from blb_migration_tests.benchmarks.measure import Measurement, Round
from blb_migration_tests.benchmarks.sections import BOTH, COPY, DRAIN, LOAD
from blb_migration_tests.benchmarks.shapes import SHAPES
from blb_migration_tests.benchmarks.worker import Cost


def test_a_quick_pass_prints_a_table_and_writes_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLB_SOURCE_CONN", raising=False)
    file = tmp_path / "measured.json"
    arguments = [
        "--quick",
        "--only",
        "tables,content",
        "--tables",
        "inventory_transactions=500",
        "--json",
        str(file),
    ]
    assert main(arguments) == 0
    measured = json.loads(file.read_text(encoding="utf-8"))["measurements"]
    assert [each["contestant"] for each in measured[:4]] == [LOAD, DRAIN, COPY, BOTH]
    assert [each["contestant"] for each in measured[4:]][:2] == ["load without a digest", LOAD]
    assert {each["row_count"] for each in measured} == {500}
    printed = capfd.readouterr().out
    assert all(name in printed for name in (LOAD, DRAIN, COPY))
    assert "postgresql://" not in printed + file.read_text(encoding="utf-8")


def test_the_median_counts_and_the_highest_peak() -> None:
    rounds = tuple(Round(Cost(seconds, 1.0, seconds * 100), None, 0.5) for seconds in (1.0, 9.0, 2.0))
    measurement = Measurement("t", LOAD, 1_000, rounds)
    assert measurement.seconds == 2.0
    assert measurement.rows_per_second == 500
    assert measurement.peak_megabytes == 900
    assert measurement.cpu_seconds() == {"work": 1.0, "postgres": 0.5}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_makes_the_same_rows_every_time(name: str) -> None:
    shape = SHAPES[name]
    first, second = (list(shape.iterate_batches(250)) for _ in range(2))
    assert sum(batch.num_rows for batch in first) == 250
    assert first == second
    assert first[0].schema.names == [column.name for column in shape.table(250).columns]
