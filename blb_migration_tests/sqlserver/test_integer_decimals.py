"""Decimals that travel as integers arrive exactly as the driver would have made them."""

from __future__ import annotations

import random
from decimal import Decimal

import pyarrow as pa
import pytest

from blb_migration.model import Column, ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sandbox.zoo.zoo_rows import build_arrow
from blb_migration.sqlserver.integer_decimals import build_integer_expressions, restore_decimals
from blb_migration.sqlserver.read import read_batches
from blb_migration_tests.hazards.planting import NewChain, Row, columns, table

SHAPES = {
    "tiny": (1, 0),
    "cents": (9, 2),
    "whole": (18, 0),
    "price": (18, 4),
    "share": (18, 18),
    "wide": (19, 4),
}
NUMBERS = table(
    "numbers",
    *columns("id int not null", "paid money", "small smallmoney"),
    *columns(*(f"{name} decimal({precision},{scale})" for name, (precision, scale) in SHAPES.items())),
)
AS_INTEGER = r" AS bigint\)"


def build_rows() -> list[Row]:
    """Every shape's largest, smallest and smallest step, NULL, and numbers in between."""
    chance = random.Random(7)
    units: dict[str, list[int | None]] = {}
    limits = {name: 10**precision - 1 for name, (precision, _) in SHAPES.items()}
    for name, limit in {**limits, "paid": 2**63 - 1, "small": 2**31 - 1}.items():
        inner = [chance.randint(-limit, limit) for _ in range(50)]
        units[name] = [limit, -limit, 1, -1, 0, None, *inner]
    units["paid"][1], units["small"][1] = -(2**63), -(2**31)
    scales = {**{name: scale for name, (_, scale) in SHAPES.items()}, "paid": 4, "small": 4}
    return [
        {"id": number}
        | {
            name: None if found is None else Decimal(found).scaleb(-scales[name])
            for name in units
            for found in [units[name][number]]
        }
        for number in range(56)
    ]


def test_every_shape_arrives_exactly_and_in_its_own_type(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    chain, rows = new_chain(), build_rows()
    chain.database.create_table(NUMBERS)
    chain.database.load(NUMBERS.name, build_arrow(NUMBERS, rows))
    emulator.statements.clear()
    with chain.source.connect() as session:
        found = pa.Table.from_batches(
            read_batches(session, NUMBERS.name, NUMBERS.columns, order_by=["id"], target_batch_bytes=2_000)
        )
        as_it_stands = pa.Table.from_batches(
            read_batches(
                session,
                NUMBERS.name,
                NUMBERS.columns,
                order_by=["id"],
                expressions={column.name: f"[{column.name}]" for column in NUMBERS.columns},
            )
        )
    assert found.to_pylist() == [
        {column.name: row[column.name] for column in NUMBERS.columns} for row in rows
    ]
    # Whether a column may be NULL, one driver says and the other does not: the catalog is asked for that.
    assert [(field.name, field.type) for field in found.schema] == [
        (field.name, field.type) for field in as_it_stands.schema
    ]
    assert found.columns == as_it_stands.columns
    selects = [text for text in emulator.statements.texts if "FROM [dbo].[numbers]" in text]
    assert [text.count(" AS bigint)") for text in selects] == [7, 0], "all but the one of 19 digits"


def test_a_server_that_cannot_multiply_is_read_as_it_stands(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    chain, rows = new_chain(), build_rows()
    chain.database.create_table(NUMBERS)
    chain.database.load(NUMBERS.name, build_arrow(NUMBERS, rows))
    emulator.faults.add(Fault(AS_INTEGER, error=SqlServerError(8115, "Arithmetic overflow error.")))
    try:
        with chain.source.connect() as session:
            batches = read_batches(session, NUMBERS.name, NUMBERS.columns, order_by=["id"])
            found = pa.Table.from_batches(batches)
    finally:
        emulator.faults.clear()
    assert found.column("paid").to_pylist() == [row["paid"] for row in rows]


@pytest.mark.parametrize(
    ("declared", "expression"),
    [
        (ColumnType("decimal", precision=18, scale=4), "CAST([a]]b] * 10000 AS bigint)"),
        (ColumnType("numeric", precision=18, scale=18), "CAST([a]]b] * 1000000000000000000 AS bigint)"),
        (ColumnType("decimal", precision=5, scale=0), "CAST([a]]b] AS bigint)"),
        (ColumnType("money"), "CAST(CAST([a]]b] AS decimal(19,4)) * 10000 AS bigint)"),
        (ColumnType("decimal", precision=19, scale=4), None),
        (ColumnType("int"), None),
        (ColumnType("float"), None),
    ],
)
def test_what_fits_a_bigint_is_read_as_one(declared: ColumnType, expression: str | None) -> None:
    assert build_integer_expressions([Column("a]b", declared, nullable=True)]).get("a]b") == expression


def test_a_column_to_order_by_is_never_an_expression(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    keyed = table("keyed", *columns("id decimal(18,0) not null", "price decimal(18,4)"))
    chain = new_chain()
    chain.database.create_table(keyed)
    chain.database.load(keyed.name, build_arrow(keyed, [{"id": 2, "price": 1}, {"id": 1, "price": None}]))
    emulator.statements.clear()
    with chain.source.connect() as session:
        (batch,) = read_batches(session, keyed.name, keyed.columns, order_by=["id"])
    assert batch.column("id").to_pylist() == [1, 2]
    assert emulator.statements.texts[-1].startswith("SELECT [id], CAST([price] * 10000 AS bigint)")


def test_parts_of_larger_arrays_are_restored_from_their_own_rows() -> None:
    column = Column("x", ColumnType("decimal", precision=18, scale=2), nullable=True)
    batch = pa.record_batch({"x": pa.array([1, None, -300, 4], pa.int64())}).slice(1, 2)
    restored = restore_decimals(batch, [column], {"x": "CAST([x] * 100 AS bigint)"})
    assert restored.column("x").to_pylist() == [None, Decimal("-3.00")]
    restored.validate(full=True)
