"""A small SQL Server database with one of everything that the source side must cope with."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa

from blb_migration.model import CheckConstraint, Computed, ForeignKey, TableName, UniqueKey
from blb_migration_tests.catalogs import COLLATION, column, index, table

MATERIALS = table(
    "materials",
    "id int identity(1,1,12)",
    "code nvarchar(20) not null",
    "name nvarchar(100)",
    "notes nvarchar(max)",
    "spec varchar(400)",
    column("price decimal(18,4)", default="((0))"),
    "cost money",
    "stock bigint",
    column("active bit", default="((1))"),
    "weight float",
    "bought_at datetime2(7)",
    "seen_at datetimeoffset(7)",
    "opens time(7)",
    "made_on date",
    "picture varbinary(max)",
    column("total decimal(38,4)", computed=Computed("([price]*[stock])", persisted=False)),
    collation=COLLATION,
    primary_key=UniqueKey("PK_materials", ("id",)),
    unique_keys=(UniqueKey("UQ_materials_code", ("code",)),),
    indexes=(
        index(
            "IX_materials_name", "name", "bought_at desc", included=("price", "cost"), filter="([active]=(1))"
        ),
    ),
    checks=(
        CheckConstraint("CK_materials_price", "([price]>=(0))"),
        CheckConstraint("CK_materials_stock", "([stock]>=(0))", trusted=False),
    ),
    row_estimate=4,
)

LOTS = table(
    "lots",
    "site int not null",
    "number int not null",
    "material_id int",
    "parent_site int",
    "parent_number int",
    "version rowversion not null",
    schema="stock room",
    primary_key=UniqueKey("PK_lots", ("site", "number")),
    foreign_keys=(
        ForeignKey("FK_lots_material", ("material_id",), MATERIALS.name, ("id",), on_delete="SET NULL"),
        ForeignKey(
            "FK_lots_parent",
            ("parent_site", "parent_number"),
            TableName("stock room", "lots"),
            ("site", "number"),
            on_update="CASCADE",
            trusted=False,
        ),
    ),
    row_estimate=4,
)

LOOSE = table("loose [ends]", "na]me nvarchar(10)", "fixed char(5)", collation=COLLATION, row_estimate=0)

VARIANTS = table(
    "variants",
    "id int not null",
    "value sql_variant",
    "halves nvarchar(50)",
    collation=COLLATION,
    primary_key=UniqueKey("PK_variants", ("id",)),
    row_estimate=5,
)

TABLES = (LOOSE, MATERIALS, VARIANTS, LOTS)


MATERIAL_ROWS = pa.table(
    {
        "id": pa.array([1, 2, 5, 9], pa.int32()),
        "code": ["PLA", "ABS", "PETG", "TPU"],
        "name": ["Größe €", "x" * 40, None, "😀😀  "],
        "notes": ["a\x00b", '{"a": 1}', "not json", None],
        "spec": ["café", "", None, "  "],
        "price": pa.array(
            [Decimal("12345678901234.5678"), Decimal("0.1000"), None, Decimal("-7.0000")],
            pa.decimal128(18, 4),
        ),
        "cost": pa.array(
            [Decimal("922337203685477.5807"), Decimal("-0.0001"), None, None], pa.decimal128(19, 4)
        ),
        "stock": pa.array([9_223_372_036_854_775_807, 9_223_372_036_854_775_807, -1, None], pa.int64()),
        "active": [True, True, False, None],
        "weight": pa.array([0.1, 1e300, None, -0.0], pa.float64()),
        "bought_at": pa.array(
            # 100 ns: the emulator's physical form, so that the seventh digit can be set.
            [638000000000000001, 638000000000000010, None, 0],
            pa.int64(),
        ),
        "seen_at": pa.array(
            [
                {"ticks": 638000000000000009, "offset_minutes": 120},
                {"ticks": 638000000000000000, "offset_minutes": -300},
                None,
                None,
            ],
            pa.struct([("ticks", pa.int64()), ("offset_minutes", pa.int16())]),
        ),
        "opens": pa.array([863999999999, 10, None, 0], pa.int64()),
        "made_on": pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None, None]),
        "picture": pa.array([b"\x00\xff", b"", None, b"abc"], pa.binary()),
    }
)

LOT_ROWS = pa.table(
    {
        "site": pa.array([1, 1, 2, 2], pa.int32()),
        "number": pa.array([1, 2, 1, 2], pa.int32()),
        "material_id": pa.array([1, 404, None, 9], pa.int32()),
        "parent_site": pa.array([None, 1, 1, 9], pa.int32()),
        "parent_number": pa.array([7, 1, None, 9], pa.int32()),
        "version": pa.array([bytes([0] * 7 + [n]) for n in range(4)], pa.binary()),
    }
)

VARIANT_ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int32()),
        "value": pa.array(
            [
                {"base_type": "int", "value": "42"},
                {"base_type": "nvarchar", "value": "text"},
                {"base_type": "datetime", "value": "2024-02-29 12:34:56.997"},
                {"base_type": "money", "value": "1.2345"},
                None,
            ],
            pa.struct([("base_type", pa.string()), ("value", pa.string())]),
        ),
        # UTF-16LE bytes, since no Arrow string can hold half a surrogate pair.
        "halves": pa.array(
            [
                value.encode("utf-16-le", "surrogatepass")
                for value in ("whole 😀", "lead \ud83d", "\ude00 trail", "a\ud83db", "plain")
            ],
            pa.binary(),
        ),
    }
)
