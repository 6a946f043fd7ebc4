"""hierarchyid, geometry and geography in the emulator: their methods give what SQL Server's do."""

from __future__ import annotations

import struct

import pyarrow as pa
import pytest

from blb_migration.model import Column, ColumnType, Table, TableName
from blb_migration.sandbox.emulator.results import ResultSet, SqlServerError
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.emulator.tsql.clr_values import geography_to_wkb, geometry_to_wkb, hierarchy_path

SHAPES = TableName("dbo", "shapes")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("", "/"),
        ("58", "/1/"),  # the values of the first levels are in SQL Server's documentation
        ("68", "/2/"),
        ("5AC0", "/1/1/"),
        ("5B40", "/1/2/"),
        ("84", "/4/"),
        ("A2", "/8/"),
        ("C110", "/16/"),
        ("3F80", "/-1/"),
    ],
)
def test_a_path_is_read_from_its_bits(value: str, path: str) -> None:
    assert hierarchy_path(bytes.fromhex(value)) == path


@pytest.mark.parametrize("value", ["50", "F8000000"])
def test_a_path_beyond_what_is_known_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="hierarchyid"):
        hierarchy_path(bytes.fromhex(value))


def test_shapes_become_well_known_binary() -> None:
    point = struct.pack("<iBB2d", 0, 1, 0x0C, 1.5, -2.0)
    assert geometry_to_wkb(point) == struct.pack("<BI2d", 1, 1, 1.5, -2.0)
    place = struct.pack("<iBB2d", 4326, 1, 0x0C, 52.25, 10.5)
    assert geography_to_wkb(place) == struct.pack("<BI2d", 1, 1, 10.5, 52.25)  # longitude first
    line = struct.pack("<iBB4d", 0, 1, 0x14, 0.0, 0.0, 3.0, 4.0)
    assert geometry_to_wkb(line) == struct.pack("<BII4d", 1, 2, 2, 0.0, 0.0, 3.0, 4.0)
    with pytest.raises(ValueError, match="neither a point nor a line"):
        geometry_to_wkb(struct.pack("<iBB3d", 0, 1, 0x0D, 1.0, 2.0, 3.0))


@pytest.fixture
def engine_with_shapes() -> TsqlEngine:
    engine = TsqlEngine()
    engine.add_login("sa", "x")
    database = engine.create_database("shapes")
    database.create_table(
        Table(
            SHAPES,
            (
                Column("place", ColumnType("hierarchyid"), nullable=True),
                Column("name", ColumnType("nvarchar", length=20), nullable=True),
            ),
        )
    )
    rows = pa.table({"place": pa.array([b"\x58", None], pa.binary()), "name": ["one", None]})
    database.load(SHAPES, rows)
    return engine


def ask(engine: TsqlEngine, statement: str) -> list[object]:
    (result,) = engine.login("sa", "x", "shapes").execute(statement)
    assert isinstance(result, ResultSet)
    return [value for batch in result.batches for value in batch.column(0).to_pylist()]


def test_methods_are_called_on_columns(engine_with_shapes: TsqlEngine) -> None:
    assert ask(engine_with_shapes, "SELECT [place].ToString() FROM shapes") == ["/1/", None]
    assert ask(engine_with_shapes, "SELECT s.place.ToString() + N'x' FROM dbo.shapes AS s") == ["/1/x", None]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("SELECT name.ToString() FROM shapes", 258),
        ("SELECT place.GetLevel() FROM shapes", 40515),
        ("SELECT place.ToString(1) FROM shapes", 40515),
        ("SELECT nowhere.ToString() FROM shapes", 207),
    ],
)
def test_other_methods_are_errors(engine_with_shapes: TsqlEngine, statement: str, number: int) -> None:
    with pytest.raises(SqlServerError) as error:
        ask(engine_with_shapes, statement)
    assert error.value.number == number
