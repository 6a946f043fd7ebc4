"""The files with differing cells: read by people in spreadsheets, and by nobody else."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.checks import Difference
from blb_migration.compare.difference_files import write_cell, write_differences

FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "-",
    "-1-1",
    "+1e",
)
NUMBERS = ("-12.50", "+3", "-1e-7", "0", "12")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    assert write_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_stay_numbers(text: str) -> None:
    assert write_cell(text) == text


@given(st.none() | st.text() | st.sampled_from(["NULL", "'NULL", "", "'"]), st.none() | st.text())
def test_different_values_are_written_differently(one: str | None, other: str | None) -> None:
    assert (write_cell(one) == write_cell(other)) == (one == other)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        difference = Difference("changed", "id 1", "name", "NULL", None)
        csv_path, parquet_path = write_differences(tmp_path / "a" / "b", "users", [difference])
    finally:
        os.umask(before)
    for path in (csv_path, parquet_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[1] == ["changed", "id 1", "name", "'NULL", "NULL"]
    assert pq.read_table(parquet_path).to_pylist()[0]["source_value"] == "NULL"
