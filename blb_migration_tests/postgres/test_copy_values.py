"""Golden values: what is copied in is what a real PostgreSQL gives back, at every type's limits."""

from __future__ import annotations

import datetime
import decimal
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.tables import round_trip, scalar

D128 = pa.decimal128


def decimals(precision: int, scale: int, *values: str | None) -> Any:
    return pa.array([None if value is None else Decimal(value) for value in values], D128(precision, scale))


def test_integers_at_their_limits(target: TargetConnection) -> None:
    assert round_trip(target, "smallint", pa.array([-(2**15), 2**15 - 1, None], pa.int16())) == [
        "-32768",
        "32767",
        None,
    ]
    assert round_trip(target, "smallint", pa.array([0, 255], pa.uint8())) == ["0", "255"]
    assert round_trip(target, "integer", pa.array([-(2**31), 2**31 - 1], pa.int32())) == [
        "-2147483648",
        "2147483647",
    ]
    assert round_trip(target, "bigint", pa.array([-(2**63), 2**63 - 1], pa.int64())) == [
        "-9223372036854775808",
        "9223372036854775807",
    ]


def test_booleans(target: TargetConnection) -> None:
    assert round_trip(target, "boolean", pa.array([True, False, None])) == ["true", "false", None]


def test_trailing_zeros_of_a_numeric_are_kept(target: TargetConnection) -> None:
    values = decimals(10, 2, "1.50", "0", "-1.50", "10000.00", "0.01", "99999999.99", None)
    expected = ["1.50", "0.00", "-1.50", "10000.00", "0.01", "99999999.99", None]
    assert round_trip(target, "numeric(10,2)", values) == expected
    assert round_trip(target, "numeric", values) == expected


@pytest.mark.parametrize("scale", [0, 1, 3, 4, 5, 19, 37, 38])
@pytest.mark.parametrize("with_precision", [True, False])
def test_numerics_of_38_digits(target: TargetConnection, scale: int, with_precision: bool) -> None:
    with decimal.localcontext(prec=50):
        values = [
            Decimal(sign + digits).scaleb(-scale)
            for sign in ("", "-")
            for digits in ("9" * 38, "1" + "0" * 37, "0" * 37 + "1", "12345678" * 4)
        ]
    type_name = f"numeric(38,{scale})" if with_precision else "numeric"
    texts = round_trip(target, type_name, pa.array(values, D128(38, scale)))
    assert texts == [f"{value:f}" for value in values]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_numeric_comes_back(target: TargetConnection, data: st.DataObject) -> None:
    scale = data.draw(st.integers(0, 38))
    unscaled = data.draw(st.lists(st.none() | st.integers(-(10**38) + 1, 10**38 - 1), max_size=20))
    with decimal.localcontext(prec=50):
        values = [None if number is None else Decimal(number).scaleb(-scale) for number in unscaled]
    texts = round_trip(target, "numeric", pa.array(values, D128(38, scale)))
    assert texts == [None if value is None else f"{value:f}" for value in values]


def test_floats_keep_every_bit(target: TargetConnection) -> None:
    doubles = [5e-324, -0.0, float("inf"), float("-inf"), float("nan"), 1.7976931348623157e308, 0.1]
    assert round_trip(target, "double precision", pa.array(doubles, pa.float64())) == [
        "5e-324",
        "-0",
        "Infinity",
        "-Infinity",
        "NaN",
        "1.7976931348623157e+308",
        "0.1",
    ]
    reals = pa.array([1.4e-45, -0.0, 3.4028235e38, None], pa.float32())
    assert round_trip(target, "real", reals) == ["1e-45", "-0", "3.4028235e+38", None]


def test_dates_from_year_1_to_9999(target: TargetConnection) -> None:
    dates = [datetime.date(1, 1, 1), datetime.date(1999, 12, 31), datetime.date(9999, 12, 31), None]
    assert round_trip(target, "date", pa.array(dates, pa.date32())) == [
        "0001-01-01",
        "1999-12-31",
        "9999-12-31",
        None,
    ]


MOMENTS = [
    datetime.datetime(1, 1, 1),
    datetime.datetime(1999, 12, 31, 23, 59, 59, 999999),
    datetime.datetime(2024, 3, 31, 2, 30),  # does not exist in Berlin
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
    None,
]


def test_timestamps_do_not_move(target: TargetConnection) -> None:
    expected = [
        "0001-01-01 00:00:00",
        "1999-12-31 23:59:59.999999",
        "2024-03-31 02:30:00",
        "9999-12-31 23:59:59.999999",
        None,
    ]
    naive = pa.array(MOMENTS, pa.timestamp("us"))
    assert round_trip(target, "timestamp", naive) == expected
    instants = pa.array(MOMENTS, pa.timestamp("us", tz="+00:00"))
    assert round_trip(target, "timestamptz", instants) == [text and f"{text}+00" for text in expected]


def test_times_to_the_microsecond(target: TargetConnection) -> None:
    times = pa.array([datetime.time(0), datetime.time(23, 59, 59, 999999), None], pa.time64("us"))
    assert round_trip(target, "time", times) == ["00:00:00", "23:59:59.999999", None]


def test_uuid_bytes_are_in_textual_order(target: TargetConnection) -> None:
    text = "01234567-89ab-cdef-0123-456789abcdef"
    values = pa.array([uuid.UUID(text).bytes, None, b"\xff" * 16], pa.binary(16))
    assert round_trip(target, "uuid", values) == [text, None, "ffffffff-ffff-ffff-ffff-ffffffffffff"]


@pytest.mark.parametrize("arrow_type", [pa.binary(), pa.large_binary()], ids=str)
def test_bytes(target: TargetConnection, arrow_type: Any) -> None:
    values = pa.array([b"", b"\x00\xff\\x", None], arrow_type)
    assert round_trip(target, "bytea", values) == ["\\x", "\\x00ff5c78", None]


TEXTS = ["", None, "\\N", "\\.", 'tab\tline\nfeed\r "quoted"', "😀 ßÄÖÜ 漢字", "a  ", "e\u0301"]


@pytest.mark.parametrize("arrow_type", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("type_name", ["text", "character varying", "varchar(40)"])
def test_texts_arrive_to_the_last_blank(target: TargetConnection, type_name: str, arrow_type: Any) -> None:
    assert round_trip(target, type_name, pa.array(TEXTS, arrow_type)) == TEXTS


def test_char_is_padded_by_the_server(target: TargetConnection) -> None:
    values = pa.array(["", "a", "ß😀 ", None], pa.large_string())
    assert round_trip(target, "char(4)", values, as_text=" || '|'") == ["|", "a|", "ß😀|", None]
    assert scalar(target, "SELECT octet_length(value) FROM golden WHERE value = 'a'") == 4


def test_json_keeps_its_text_and_jsonb_its_value(target: TargetConnection) -> None:
    values = pa.array(['{"b": 1,  "a": [1.50, "😀"]}', "null", None], pa.large_string())
    assert round_trip(target, "json", values) == ['{"b": 1,  "a": [1.50, "😀"]}', "null", None]
    assert round_trip(target, "jsonb", values) == ['{"a": [1.50, "😀"], "b": 1}', "null", None]


def test_enums_and_domains_take_their_base_form(target: TargetConnection) -> None:
    target.execute("CREATE TYPE mood AS ENUM ('sad', 'glücklich')")
    target.execute("CREATE DOMAIN amount AS numeric(10,2) CHECK (VALUE >= 0)")
    moods = pa.array(["glücklich", None, "sad"], pa.large_string())
    assert round_trip(target, "mood", moods) == ["glücklich", None, "sad"]
    assert round_trip(target, "amount", decimals(10, 2, "1.50", None)) == ["1.50", None]


def test_ten_megabytes_in_one_value(target: TargetConnection) -> None:
    megabytes = 10 * 1024 * 1024
    text = pa.array(["ß" * (megabytes // 2)], pa.large_string())
    assert round_trip(target, "text", text, as_text=" = repeat('ß', 5242880)") == [True]
    binary = pa.array([b"\x00\xff" * (megabytes // 2)], pa.large_binary())
    assert round_trip(target, "bytea", binary, as_text=r" = decode(repeat('00ff', 5242880), 'hex')") == [True]


ONE_OF_EACH: list[tuple[str, Any]] = [
    ("boolean", pa.array([True, None, False, True, None])),
    ("smallint", pa.array([1, None, 3, 4, 5], pa.uint8())),
    ("bigint", pa.array([1, None, 3, 4, 5])),
    ("numeric", decimals(10, 2, "1.5", None, "3", "4", "5")),
    ("double precision", pa.array([1.5, None, 2.5, 3.5, None])),
    ("text", pa.array(["a", None, "", "dd", "e"], pa.large_string())),
    ("bytea", pa.array([b"x", None, b"", b"z", b"w"])),
    ("uuid", pa.array([b"x" * 16, None, b"y" * 16, b"z" * 16, b"w" * 16], pa.binary(16))),
    ("timestamp", pa.array(MOMENTS, pa.timestamp("us"))),
    ("date", pa.array([1, None, 3, 4, 5], pa.date32())),
    ("time", pa.array([1, None, 3, 4, 5], pa.time64("us"))),
]


@pytest.mark.parametrize(("type_name", "values"), ONE_OF_EACH, ids=lambda value: str(value)[:10])
def test_slices_and_nulls_with_offsets(target: TargetConnection, type_name: str, values: Any) -> None:
    whole = round_trip(target, type_name, values)
    assert round_trip(target, type_name, values.slice(1, 3)) == whole[1:4]
    assert round_trip(target, type_name, values.slice(2)) == whole[2:]
    assert round_trip(target, type_name, values.slice(1, 0)) == []
    assert round_trip(target, type_name, pa.nulls(3, values.type)) == [None] * 3
