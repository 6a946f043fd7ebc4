"""Values of every type through the real driver: exact, or cut by a declared rule."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.read import KeyRange, read_batches
from blb_migration_tests.sqlserver.workshop import LOTS, MATERIAL_ROWS, MATERIALS, VARIANTS

UTC = datetime.UTC


def read_column(session: SourceSession, name: str) -> list[object]:
    columns = [MATERIALS.columns_by_name["id"], MATERIALS.columns_by_name[name]]
    batches = read_batches(session, MATERIALS.name, columns, order_by=["id"])
    return list(pa.Table.from_batches(batches).column(1).to_pylist())


@pytest.mark.parametrize(
    "name",
    ["code", "name", "notes", "spec", "price", "cost", "stock", "active", "weight", "made_on", "picture"],
)
def test_these_values_arrive_as_they_are(workshop: SourceSession, name: str) -> None:
    assert read_column(workshop, name) == MATERIAL_ROWS.column(name).to_pylist()


def test_the_seventh_digit_is_cut_not_rounded(workshop: SourceSession) -> None:
    assert read_column(workshop, "bought_at") == [
        datetime.datetime(2022, 9, 28, 22, 13, 20),
        datetime.datetime(2022, 9, 28, 22, 13, 20, 1),
        None,
        datetime.datetime(1, 1, 1),
    ]


def test_offsets_become_instants(workshop: SourceSession) -> None:
    first, second, *rest = read_column(workshop, "seen_at")
    assert first == second == datetime.datetime(2022, 9, 28, 22, 13, 20, tzinfo=UTC)
    assert rest == [None, None]


def test_times_of_day_keep_all_their_digits_until_they_are_converted(workshop: SourceSession) -> None:
    columns = [MATERIALS.columns_by_name["opens"]]
    table = pa.Table.from_batches(read_batches(workshop, MATERIALS.name, columns, order_by=["id"]))
    nanoseconds = table.column(0).cast(pa.int64()).to_pylist()
    assert nanoseconds == [86_399_999_999_900, 1_000, None, 0]


def test_computed_columns_can_be_read_too(workshop: SourceSession) -> None:
    assert read_column(workshop, "total")[2:] == [None, None]


def test_rowversion_is_eight_bytes(workshop: SourceSession) -> None:
    (batch,) = read_batches(
        workshop, LOTS.name, [LOTS.columns_by_name["version"]], order_by=["site", "number"]
    )
    assert batch.column(0).to_pylist() == [bytes([0] * 7 + [number]) for number in range(4)]


def test_variants_arrive_as_text_with_all_their_digits(workshop: SourceSession) -> None:
    (batch,) = read_batches(workshop, VARIANTS.name, [VARIANTS.columns_by_name["value"]], order_by=["id"])
    assert batch.column(0).to_pylist() == ["42", "text", "2024-02-29 12:34:56.997", "1.2345", None]


def test_ranges_cover_every_row_once(workshop: SourceSession) -> None:
    columns = [MATERIALS.columns_by_name["id"]]
    ranges = [KeyRange("id", before=2), KeyRange("id", first=2, before=9), KeyRange("id", first=9)]
    found = [
        value
        for key_range in ranges
        for batch in read_batches(workshop, MATERIALS.name, columns, key_range=key_range, order_by=["id"])
        for value in batch.column(0).to_pylist()
    ]
    assert found == [1, 2, 5, 9]
