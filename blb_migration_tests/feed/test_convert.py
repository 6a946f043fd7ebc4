"""What the driver delivers becomes what COPY takes: exactly, or not at all."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.feed.convert import BatchConverter
from blb_migration.feed.uuid_texts import uuid_text_to_bytes
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.type_pairs import find_rule
from blb_migration_tests.catalogs import column


def convert(source: str, target: str, array: pa.Array) -> pa.Array:
    source_column, target_column = column(source), column(target)
    rule = find_rule(source_column.type, target_column.type)
    assert rule is not None
    plan = ColumnPlan(source_column, target_column, rule.conversion, ())
    batch = pa.RecordBatch.from_arrays([array], names=["c"])
    return BatchConverter([plan]).convert(batch).column(0)


def decimals(*values: str | None, precision: int = 18, scale: int = 4) -> pa.Array:
    wanted = [None if value is None else Decimal(value) for value in values]
    return pa.array(wanted, pa.decimal128(precision, scale))


def test_a_narrower_numeric_takes_what_fits_exactly() -> None:
    converted = convert("c decimal(18,4)", "c numeric(10,2)", decimals("1.2300", None, "-99999999.99"))
    assert converted.to_pylist() == [Decimal("1.23"), None, Decimal("-99999999.99")]


@pytest.mark.parametrize("value", ["1.2345", "100000000.00"])
def test_a_narrower_numeric_refuses_to_round_or_overflow(value: str) -> None:
    with pytest.raises(ValueError, match=r"column c \(decimal\(18,4\)\) has a value that does not fit"):
        convert("c decimal(18,4)", "c numeric(10,2)", decimals(value))


@pytest.mark.parametrize(
    ("source", "target", "array", "expected"),
    [
        ("c bit", "c smallint", pa.array([True, None, False]), [1, None, 0]),
        ("c tinyint", "c smallint", pa.array([255, None], pa.uint8()), [255, None]),
        ("c tinyint", "c boolean", pa.array([1, 0, None], pa.uint8()), [True, False, None]),
        ("c int", "c numeric(12,2)", pa.array([-5, None], pa.int32()), [Decimal("-5.00"), None]),
        ("c decimal(9,0)", "c integer", decimals("7", None, precision=9, scale=0), [7, None]),
        (
            "c time(7)",
            "c time without time zone",
            pa.array([86_399_999_999_900], pa.time64("ns")),
            [datetime.time(23, 59, 59, 999_999)],
        ),
        (
            "c date",
            "c timestamp without time zone",
            pa.array([0], pa.date32()),
            [datetime.datetime(1970, 1, 1)],
        ),
    ],
)  # fmt: skip
def test_exact_conversions(source: str, target: str, array: pa.Array, expected: list[object]) -> None:
    assert convert(source, target, array).to_pylist() == expected


@pytest.mark.parametrize(
    ("source", "target", "array"),
    [
        ("c tinyint", "c boolean", pa.array([2], pa.uint8())),
        ("c int", "c boolean", pa.array([-1], pa.int32())),
        ("c bigint", "c integer", pa.array([2**31], pa.int64())),
        ("c decimal(18,4)", "c integer", decimals("1.5")),
        ("c uniqueidentifier", "c uuid", pa.array(["not a guid"], pa.large_string())),
        ("c uniqueidentifier", "c uuid", pa.array(["G" * 36], pa.large_string())),
    ],
)
def test_what_does_not_fit_is_refused(source: str, target: str, array: pa.Array) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        convert(source, target, array)


@given(st.lists(st.none() | st.uuids()), st.integers(0, 3), st.integers(0, 3))
def test_guid_texts_become_their_bytes(values: list[uuid.UUID | None], skip: int, drop: int) -> None:
    texts = pa.array([None if v is None else str(v).upper() for v in values], pa.large_string())
    stop = max(skip, len(values) - drop)
    converted = uuid_text_to_bytes(texts[skip:stop])
    converted.validate(full=True)
    assert converted.to_pylist() == [None if v is None else v.bytes for v in values[skip:stop]]


@given(
    st.lists(
        st.none()
        | st.integers(-(10**37), 10**37).map(lambda unscaled: Decimal(unscaled).scaleb(-8)).filter(
            lambda value: abs(value) < 10**29
        )
    )
)  # fmt: skip
def test_wide_decimals_stay_exact(values: list[Decimal | None]) -> None:
    array = pa.array(values, pa.decimal128(37, 8))
    assert convert("c decimal(37,8)", "c numeric(38,8)", array).to_pylist() == array.to_pylist()
