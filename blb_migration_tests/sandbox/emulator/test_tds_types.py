"""Every SQL Server type arrives at Microsoft's driver as it was sent, at its limits, empty and NULL."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from blb_migration.model import ColumnType
from blb_migration_tests.sandbox.emulator.prepared_engine import connect, one_column, serving

TICKS_PER_DAY = 864_000_000_000
LAST_TICK = 3_155_378_975_999_999_999
TICKS_1753 = 552_877_920_000_000_000
TICKS_1900 = 599_266_080_000_000_000
OFFSETS = pa.struct([("ticks", pa.int64()), ("offset_minutes", pa.int16())])
VARIANTS = pa.struct([("base_type", pa.string()), ("value", pa.string())])
TEN_MILLION = 10_000_000


def read(sql_type: ColumnType, array: pa.Array, collation: str | None = None) -> list[Any]:
    with serving(one_column(sql_type, array, collation)) as server, connect(server) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT value")
        values: list[Any] = cursor.arrow_batch(1000).column(0).to_pylist()
        cursor.close()
        return values


def decimals(*texts: str | None) -> list[Decimal | None]:
    return [None if text is None else Decimal(text) for text in texts]


@pytest.mark.parametrize(
    ("name", "arrow_type", "values"),
    [
        ("bit", pa.bool_(), [True, None, False]),
        ("tinyint", pa.uint8(), [0, 255, None]),
        ("smallint", pa.int16(), [-(2**15), 2**15 - 1, None]),
        ("int", pa.int32(), [-(2**31), 2**31 - 1, None]),
        ("bigint", pa.int64(), [-(2**63), 2**63 - 1, None]),
        ("real", pa.float32(), [-1.5, 3.4028234663852886e38, None]),
        ("float", pa.float64(), [5e-324, 1.7976931348623157e308, -0.0, None]),
        (
            "money",
            pa.decimal128(19, 4),
            decimals("922337203685477.5807", "-922337203685477.5808", "-0.0001", None),
        ),
        ("smallmoney", pa.decimal128(10, 4), decimals("214748.3647", "-214748.3648", None)),
        ("date", pa.date32(), [date.min, date.max, None]),
    ],
)
def test_numbers_bits_money_and_dates_survive_at_their_limits(
    name: str, arrow_type: pa.DataType, values: list[Any]
) -> None:
    assert read(ColumnType(name), pa.array(values, arrow_type)) == values


@pytest.mark.parametrize(
    ("precision", "scale"), [(1, 0), (9, 2), (10, 10), (19, 4), (28, 0), (38, 0), (38, 38)]
)
@pytest.mark.parametrize("name", ["decimal", "numeric"])
def test_all_digits_of_a_decimal_survive(name: str, precision: int, scale: int) -> None:
    nines = f"{'9' * precision}e-{scale}"
    values = decimals(nines, f"-{nines}", None, "0", f"1e-{scale}", f"-1e-{scale}")
    array = pa.array(values, pa.decimal128(precision, scale))
    assert read(ColumnType(name, precision=precision, scale=scale), array) == values


@pytest.mark.parametrize(
    "sql_type",
    [
        ColumnType("varchar", length=10),
        ColumnType("varchar"),
        ColumnType("text"),
        ColumnType("nvarchar", length=10),
        ColumnType("nvarchar"),
        ColumnType("ntext"),
        ColumnType("xml"),
    ],
    ids=str,
)
def test_umlauts_the_euro_sign_and_the_empty_string_survive(sql_type: ColumnType) -> None:
    values = ["Größe", "5 €", "", None, "x" * 10, " a ", "ß"]
    assert read(sql_type, pa.array(values)) == values


@pytest.mark.parametrize("length", [10, None])
def test_characters_beyond_the_basic_plane_survive_in_nvarchar(length: int | None) -> None:
    values = ["😀ä", "日本", None, "a😀"]
    assert read(ColumnType("nvarchar", length=length), pa.array(values, pa.large_string())) == values


@pytest.mark.parametrize("length", [20, None])
def test_a_utf8_collation_carries_any_text_in_varchar(length: int | None) -> None:
    values = ["😀ä", "日本", None, "", "plain"]
    assert (
        read(ColumnType("varchar", length=length), pa.array(values), "Latin1_General_100_CI_AS_SC_UTF8")
        == values
    )


def test_what_a_code_page_lacks_becomes_a_question_mark_as_in_sql_server() -> None:
    assert read(ColumnType("varchar", length=10), pa.array(["日本 €"])) == ["?? €"]


@pytest.mark.parametrize(
    ("name", "values", "padded"),
    [
        ("char", ["abc", "", None, "€uro"], ["abc  ", "     ", None, "€uro "]),
        ("nchar", ["abc", "", None, "😀"], ["abc  ", "     ", None, "😀   "]),
    ],
)
def test_fixed_length_text_is_padded(name: str, values: list[Any], padded: list[Any]) -> None:
    assert read(ColumnType(name, length=5), pa.array(values)) == padded


@pytest.mark.parametrize("name", ["varchar", "nvarchar"])
def test_ten_million_characters_survive(name: str) -> None:
    value = "äb" * (TEN_MILLION // 2)
    assert read(ColumnType(name), pa.array([value, None, ""])) == [value, None, ""]


def test_ten_million_bytes_survive() -> None:
    value = bytes(range(256)) * (TEN_MILLION // 256)
    assert read(ColumnType("varbinary"), pa.array([value, b"", None])) == [value, b"", None]


@pytest.mark.parametrize(
    "sql_type",
    [
        ColumnType("varbinary", length=8),
        ColumnType("varbinary"),
        ColumnType("image"),
        ColumnType("hierarchyid"),
        ColumnType("geography"),
        ColumnType("geometry"),
    ],
    ids=str,
)
def test_bytes_survive(sql_type: ColumnType) -> None:
    values = [b"\x00\xff", b"", None, b"\\N"]
    assert read(sql_type, pa.array(values)) == values


def test_fixed_length_binaries_are_padded_and_row_versions_have_eight_bytes() -> None:
    assert read(ColumnType("binary", length=4), pa.array([b"\x01", None])) == [b"\x01\0\0\0", None]
    version = (2001).to_bytes(8, "big")
    assert read(ColumnType("rowversion"), pa.array([version, None])) == [version, None]


@pytest.mark.parametrize("scale", range(8))
def test_times_survive_at_every_scale(scale: int) -> None:
    step = 10 ** (7 - scale)
    last_of_day = (TICKS_PER_DAY - 1) // step * step
    values = read(ColumnType("time", scale=scale), pa.array([0, last_of_day, None]))
    expected = time(23, 59, 59, last_of_day // 10 % 1_000_000)
    assert values == [time.min, expected, None]


@pytest.mark.parametrize("scale", range(8))
def test_datetime2_survives_from_year_1_to_9999_at_every_scale(scale: int) -> None:
    step = 10 ** (7 - scale)
    last = LAST_TICK // step * step
    values = read(ColumnType("datetime2", scale=scale), pa.array([0, last, None]))
    assert values == [datetime.min, datetime(9999, 12, 31, 23, 59, 59, last // 10 % 1_000_000), None]


def test_datetime_has_its_three_hundredths() -> None:
    ticks = [TICKS_1753, LAST_TICK - 29_999, TICKS_1900 + 33_333, TICKS_1900 - 33_333, None]
    assert read(ColumnType("datetime"), pa.array(ticks)) == [
        datetime(1753, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 997_000),
        datetime(1900, 1, 1, 0, 0, 0, 3_000),
        datetime(1899, 12, 31, 23, 59, 59, 997_000),
        None,
    ]


def test_smalldatetime_survives_at_its_limits() -> None:
    ticks = [TICKS_1900, TICKS_1900 + 65_535 * TICKS_PER_DAY + 1_439 * 600_000_000, None]
    values = read(ColumnType("smalldatetime"), pa.array(ticks))
    assert values == [datetime(1900, 1, 1), datetime(2079, 6, 6, 23, 59), None]


@pytest.mark.parametrize("scale", range(8))
def test_datetimeoffset_keeps_its_instant_whatever_the_offset(scale: int) -> None:
    ticks = 638_000_000_000_000_000
    moments = [{"ticks": ticks, "offset_minutes": offset} for offset in (0, 330, -840, 840)]
    values = read(ColumnType("datetimeoffset", scale=scale), pa.array([*moments, None], OFFSETS))
    assert values == [datetime(2022, 9, 28, 22, 13, 20, tzinfo=UTC)] * 4 + [None]


def test_a_guid_reads_as_it_is_written() -> None:
    text = "00112233-4455-6677-8899-AABBCCDDEEFF"
    values = read(ColumnType("uniqueidentifier"), pa.array([uuid.UUID(text).bytes, None], pa.binary(16)))
    assert values == [text, None]


@pytest.mark.parametrize("row_count", [0, 1, 16_384, 40_001])
def test_results_of_any_length_arrive_whole(row_count: int) -> None:
    numbers = pa.array(range(row_count), pa.int32())
    with serving(one_column(ColumnType("int"), numbers)) as server, connect(server) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT value")
        assert cursor.arrow(10_000).column(0).to_pylist() == numbers.to_pylist()
        cursor.close()


def test_a_slice_of_a_larger_array_is_sent_not_the_whole() -> None:
    texts = pa.array(["zero", None, "zwölf", "drei", None, "vier"])
    assert read(ColumnType("nvarchar", length=10), texts[1:4]) == [None, "zwölf", "drei"]
    assert read(ColumnType("bit"), pa.array([True, False, None, True])[1:3]) == [False, None]
