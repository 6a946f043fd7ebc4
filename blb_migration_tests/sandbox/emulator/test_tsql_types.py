"""Every SQL Server type comes back as it was loaded, to the last digit, and keeps its type."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from blb_migration.model import Column, ColumnType, Table, TableName
from blb_migration.sandbox.emulator.results import Parameter
from blb_migration_tests.sandbox.emulator.tsql_shop import Shop

MAX_TICKS = 3_155_378_975_999_999_999
OFFSET = pa.struct([("ticks", pa.int64()), ("offset_minutes", pa.int16())])
VARIANT = pa.struct([("base_type", pa.string()), ("value", pa.string())])


def number(precision: int, scale: int, name: str = "decimal") -> ColumnType:
    return ColumnType(name, precision=precision, scale=scale)


VALUES: list[tuple[ColumnType, pa.DataType, list[Any]]] = [
    (ColumnType("bit"), pa.bool_(), [True, False]),
    (ColumnType("tinyint"), pa.uint8(), [0, 255]),
    (ColumnType("smallint"), pa.int16(), [-32768, 32767]),
    (ColumnType("int"), pa.int32(), [-(2**31), 2**31 - 1]),
    (ColumnType("bigint"), pa.int64(), [-(2**63), 2**63 - 1]),
    (number(38, 10), pa.decimal128(38, 10), [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001")]),
    (number(38, 38, "numeric"), pa.decimal128(38, 38), [Decimal("0." + "9" * 38)]),
    (
        ColumnType("money"),
        pa.decimal128(19, 4),
        [Decimal("922337203685477.5807"), Decimal("-922337203685477.5808")],
    ),
    (ColumnType("smallmoney"), pa.decimal128(10, 4), [Decimal("214748.3647"), Decimal("-214748.3648")]),
    (ColumnType("real"), pa.float32(), [1.5, -3.25]),
    (ColumnType("float"), pa.float64(), [1.7976931348623157e308, 5e-324, -0.1]),
    (ColumnType("varchar", 20), pa.string(), ["", "  spaces  ", "it's", "€ü"]),
    (ColumnType("nvarchar"), pa.string(), ["x" * 10_000, "日本 👍", "nul \0 inside"]),
    (ColumnType("char", 3), pa.string(), ["abc"]),
    (ColumnType("xml"), pa.string(), ["<a>1</a>"]),
    (ColumnType("varbinary"), pa.binary(), [b"", b"\x00\xff" * 5000]),
    (ColumnType("binary", 2), pa.binary(), [b"\x00\x01"]),
    (ColumnType("rowversion"), pa.binary(), [bytes(range(8))]),
    (ColumnType("geography"), pa.binary(), [b"\xe6\x10\x00\x00"]),
    (ColumnType("date"), pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    (ColumnType("time", scale=7), pa.int64(), [0, 863_999_999_999]),
    (ColumnType("datetime2", scale=7), pa.int64(), [0, MAX_TICKS]),
    (ColumnType("datetime"), pa.int64(), [552_877_920_000_000_000, 3_155_378_975_999_970_000]),
    (ColumnType("smalldatetime"), pa.int64(), [638_000_000_400_000_000]),
    (ColumnType("datetimeoffset", scale=7), OFFSET, [{"ticks": MAX_TICKS, "offset_minutes": -840}]),
    (ColumnType("uniqueidentifier"), pa.binary(16), [bytes(range(16))]),
    (ColumnType("sql_variant"), VARIANT, [{"base_type": "int", "value": "5"}]),
]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.mark.parametrize(("column_type", "arrow_type", "values"), VALUES, ids=lambda value: str(value)[:30])
def test_values_come_back_as_they_were_loaded(
    shop: Shop, column_type: ColumnType, arrow_type: pa.DataType, values: list[Any]
) -> None:
    name = f"t{len(shop.database.tables)}"
    shop.database.create_table(Table(TableName("dbo", name), (Column("value", column_type, True),)))
    shop.database.load(name, pa.table({"value": pa.array([*values, None], arrow_type)}))
    (result,) = shop.results(f"SELECT value FROM {name}")
    assert str(result.columns[0].type) == str(column_type)
    batches = list(result.batches)
    assert batches[0].schema.types == [arrow_type]
    assert [value for batch in batches for value in batch.column(0).to_pylist()] == [*values, None]


def test_text_that_is_not_unicode_leaves_as_the_bytes_it_came_as(shop: Shop) -> None:
    lone = "a\ud800b".encode("utf-16-le", errors="surrogatepass")
    whole = "a👍b".encode("utf-16-le")
    shop.database.create_table(
        Table(TableName("dbo", "Broken"), (Column("text", ColumnType("nvarchar", 50), True),))
    )
    shop.database.load("Broken", pa.table({"text": pa.array([lone, whole, None], pa.binary())}))
    assert shop.ask("SELECT text FROM Broken") == [(lone,), (whole,), (None,)]
    assert shop.ask("SELECT LEN(text), DATALENGTH(text), UNICODE(SUBSTRING(text, 2, 1)) FROM Broken") == [
        (3, 6, 0xD800),
        (4, 8, 0x1F44D),
        (None, None, None),
    ]
    pattern = "text COLLATE Latin1_General_BIN2 LIKE N'%[' + NCHAR(0xD800) + N'-' + NCHAR(56319) + N']b%'"
    assert shop.value(f"SELECT COUNT(*) FROM Broken WHERE {pattern}") == 1


def test_arrow_timestamps_may_stand_for_ticks(shop: Shop) -> None:
    shop.database.create_table(
        Table(TableName("dbo", "Moments"), (Column("at", ColumnType("datetime2", scale=7), True),))
    )
    moments = pa.array([dt.datetime(2024, 2, 29, 12, 0, 0, 1)], pa.timestamp("us"))
    shop.database.load("Moments", pa.table({"at": moments}))
    assert shop.value("SELECT CONVERT(varchar(40), at, 126) FROM Moments") == "2024-02-29T12:00:00.0000010"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CAST('2024-01-31 23:59:59.1234567' AS datetime2(3))", 638_423_423_991_230_000),
        ("CAST('9999-12-31 23:59:59.9999999' AS datetime2(7))", MAX_TICKS),
        ("CAST('2024-01-01 10:00:00.005' AS datetime)", 638_397_000_000_070_000),
        ("CAST('23:59:59.9999999' AS time(7))", 863_999_999_999),
        ("CAST('2024-02-29' AS date)", dt.date(2024, 2, 29)),
        (
            "CAST(CAST('2024-01-01 01:30 +02:00' AS datetimeoffset(0)) AS datetime2(0))",
            638_396_694_000_000_000,
        ),
        (
            "CONVERT(varchar(33), CAST('2024-01-01 01:30:00 -05:30' AS datetimeoffset(2)))",
            "2024-01-01 01:30:00.00 -05:30",
        ),
        ("CONVERT(varchar(30), CAST('2024-01-09 15:04:00' AS datetime))", "Jan  9 2024  3:04PM"),
        ("CONVERT(varchar(8), CAST('2024-01-09' AS date), 112)", "20240109"),
        ("CAST(1.005 AS decimal(5,2))", Decimal("1.01")),
        ("CAST(99999999999999.9999 AS decimal(18,4)) * 10000", Decimal("999999999999999999")),
        ("CAST(CAST(2.7 AS float) AS int)", 2),
        ("CAST(-2.7 AS int)", -2),
        ("CAST('' AS int)", 0),
        ("CAST(CAST(12.3456 AS money) AS varchar(20))", "12.35"),
        ("CONVERT(varchar(20), CAST(12.3456 AS money), 2)", "12.3456"),
        ("CONVERT(varchar(30), CAST(0.1 AS float), 3)", "0.10000000000000001"),
        ("CONVERT(varchar(10), 0x0AFF, 1)", "0x0AFF"),
        ("CAST(0x0102 AS int)", 258),
        ("CAST(0x7FFFFFFFFFFFFFFF AS bigint)", 2**63 - 1),
        ("CAST(0x8000000000000000 AS bigint)", -(2**63)),
        ("CAST(0xFFFF AS smallint)", -1),
        ("CAST(0xFF AS tinyint)", 255),
        ("CAST(258 AS varbinary(4))", b"\x00\x00\x01\x02"),
        (
            "CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
            bytes.fromhex("6F9619FF8B86D011B42D00C04FC964FF"),
        ),
        (
            "CAST(CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) AS binary(16))",
            bytes.fromhex("FF19966F868B11D0B42D00C04FC964FF"),
        ),
        ("CAST(N'abc' AS char(5))", "abc  "),
        ("CAST(N'日本' AS varchar(5))", "??"),
        ("TRY_CAST('x' AS int)", None),
        ("TRY_CONVERT(date, '2024-02-30')", None),
    ],
)
def test_conversions_follow_sql_server(shop: Shop, expression: str, expected: object) -> None:
    assert shop.value(f"SELECT {expression}") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("COUNT(*)", "int"),
        ("COUNT_BIG(*)", "bigint"),
        ("SUM(quantity)", "int"),
        ("SUM(CAST(quantity AS bigint))", "bigint"),
        ("SUM(price)", "decimal(38,4)"),
        ("SUM(CAST(quantity AS decimal(38,0)))", "decimal(38,0)"),
        ("SUM(CAST(price AS money))", "money"),
        ("SUM(CAST(price AS float))", "float"),
        ("AVG(quantity)", "int"),
        ("AVG(price)", "decimal(38,6)"),
        ("MIN(region)", "char(3)"),
        ("MAX(price)", "decimal(18,4)"),
    ],
)
def test_aggregates_have_sql_servers_types(shop: Shop, expression: str, expected: str) -> None:
    assert shop.type_of(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("id", "int"),
        ("price * quantity", "numeric(29,4)"),
        ("price / quantity", "numeric(29,15)"),
        ("quantity / 2", "int"),
        ("quantity + CAST(1 AS bigint)", "bigint"),
        ("1.50", "numeric(3,2)"),
        ("3000000000", "numeric(10,0)"),
        ("1e0", "float"),
        ("'abc'", "varchar(3)"),
        ("N'abc'", "nvarchar(3)"),
        ("0x0A0B", "varbinary(2)"),
        ("category + N'!'", "nvarchar(51)"),
        ("DATALENGTH(category)", "int"),
        ("DATALENGTH(CAST(category AS nvarchar(max)))", "bigint"),
        ("LEN(category)", "int"),
        ("CASE WHEN id = 1 THEN quantity ELSE price END", "decimal(18,4)"),
        ("CASE WHEN id = 1 THEN 'a' ELSE N'bc' END", "nvarchar(2)"),
        ("ISNULL(region, 'unknown')", "char(3)"),
        ("COALESCE(NULL, quantity)", "int"),
        ("ROUND(price, 2)", "decimal(18,4)"),
        ("GETDATE()", "datetime"),
        ("SYSUTCDATETIME()", "datetime2(7)"),
        ("ROW_NUMBER() OVER (ORDER BY id)", "bigint"),
        ("CAST(region AS varchar)", "varchar(30)"),
    ],
)
def test_expressions_have_sql_servers_types(shop: Shop, expression: str, expected: str) -> None:
    assert shop.type_of(expression) == expected


def test_a_column_says_whether_it_is_nullable_and_identity(shop: Shop) -> None:
    columns = shop.columns("SELECT id, price, id + 1 FROM dbo.Items")
    assert [(each.name, each.nullable, each.identity) for each in columns] == [
        ("id", False, True),
        ("price", True, False),
        ("", False, False),
    ]


@pytest.mark.parametrize(
    ("column_type", "value", "expected"),
    [
        (ColumnType("nvarchar", 10), "it's \ud800", "it's \ud800".encode("utf-16-le", "surrogatepass")),
        (ColumnType("bigint"), 2**62, 2**62),
        (number(38, 4), Decimal("1234567890123456789.0001"), Decimal("1234567890123456789.0001")),
        (ColumnType("datetime2", scale=7), dt.datetime(2024, 1, 1), 638_396_640_000_000_000),
        (ColumnType("varbinary", 4), b"\x00\x01", b"\x00\x01"),
        (ColumnType("bit"), True, True),
        (ColumnType("int"), None, None),
    ],
)
def test_parameters_are_typed_values(
    shop: Shop, column_type: ColumnType, value: object, expected: object
) -> None:
    assert shop.value("SELECT @P1", [Parameter("@P1", column_type, value)]) == expected
