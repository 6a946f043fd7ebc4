"""A small shop database for the tests of the emulator's SQL engine, and ways to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from blb_migration.model import CheckConstraint, Computed, ForeignKey, TableName, UniqueKey
from blb_migration.sandbox.emulator.results import Parameter, ResultColumn, ResultSet, SqlServerError
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.session import TsqlSession
from blb_migration_tests.catalogs import column, index, table

PASSWORD = "secret"

CATEGORIES = table(
    "Categories",
    "id int identity(10,5,30)",
    "Name nvarchar(50)",
    "region char(3)",
    primary_key=UniqueKey("PK_Categories", ("id",)),
    unique_keys=(UniqueKey("UQ_Categories", ("Name", "region")),),
    comment="Groups of items",
)
ITEMS = table(
    "Items",
    "id int identity(1,1,9)",
    "category nvarchar(50)",
    "region char(3)",
    column("price decimal(18,4)", default="((0))"),
    "quantity int not null",
    column("total decimal(29,4)", computed=Computed("[price]*[quantity]", False)),
    column("label nvarchar(60)", computed=Computed("(upper([category]))", True)),
    column("active bit not null", default="((1))"),
    primary_key=UniqueKey("PK_Items", ("id",)),
    foreign_keys=(
        ForeignKey(
            "FK_Items_Categories",
            ("category", "region"),
            TableName("dbo", "Categories"),
            ("Name", "region"),
            on_delete="CASCADE",
            trusted=False,
        ),
    ),
    indexes=(index("IX_Items", "category", "price desc", included=("quantity",), filter="([active]=(1))"),),
    checks=(CheckConstraint("CK_Items_price", "([price]>=(0))"),),
)
NOTES = table("Notes", "text nvarchar(max)", schema="archive")


class Shop:
    """An engine with the database SHOP and a session of ``sa`` in it."""

    def __init__(self) -> None:
        self.engine = TsqlEngine()
        self.engine.add_login("sa", PASSWORD)
        self.database: Database = self.engine.create_database("SHOP")
        for each in (CATEGORIES, ITEMS, NOTES):
            self.database.create_table(each)
        self.database.load(
            "dbo.Categories",
            pa.table(
                {"id": pa.array([10, 15], pa.int32()), "Name": ["Plastic", "Metal"], "region": ["EU", "US"]}
            ),
        )
        prices = pa.array(
            [Decimal("1.5000"), Decimal("2.2500"), None, Decimal("0.0001")], pa.decimal128(18, 4)
        )
        self.database.load(
            "dbo.Items",
            pa.table(
                {
                    "id": pa.array([1, 2, 5, 7], pa.int32()),
                    "category": ["Plastic", "PLASTIC  ", "Metal", None],
                    "region": ["EU", "EU", "US", None],
                    "price": prices,
                    "quantity": pa.array([2, 3, 4, 2_147_483_647], pa.int32()),
                    "active": [True, False, True, True],
                }
            ),
        )
        self.session: TsqlSession = self.engine.login("sa", PASSWORD, "shop")

    def results(self, batch: str, parameters: Sequence[Parameter] = ()) -> Iterator[ResultSet]:
        """Yield the batch's result sets, one after the other."""
        for outcome in self.session.execute(batch, parameters):
            if isinstance(outcome, ResultSet):
                yield outcome

    def ask(self, batch: str, parameters: Sequence[Parameter] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of the batch's last result."""
        rows: list[tuple[Any, ...]] = []
        for result in self.results(batch, parameters):
            rows = [tuple(row.values()) for part in result.batches for row in part.to_pylist()]
        return rows

    def value(self, batch: str, parameters: Sequence[Parameter] = ()) -> Any:
        """Return the only value of the batch's last result."""
        ((value,),) = self.ask(batch, parameters)
        return value

    def columns(self, batch: str) -> tuple[ResultColumn, ...]:
        """Return the columns of the batch's first result."""
        return self.session.describe(batch)

    def type_of(self, expression: str) -> str:
        """Return the T-SQL type of an expression over the table Items."""
        return str(self.columns(f"SELECT {expression} FROM dbo.Items")[0].type)

    def error(self, batch: str, parameters: Sequence[Parameter] = ()) -> SqlServerError:
        """Return the error that the batch ends with."""
        with pytest.raises(SqlServerError) as caught:
            self.ask(batch, parameters)
        return caught.value

    def close(self) -> None:
        """End the engine."""
        self.engine.close()
