"""Decisions on Arrow arrays do what SQL Server's ROUND and PostgreSQL's types would, and are counted."""

from __future__ import annotations

import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.feed.convert import BatchConverter
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.type_pairs import find_rule
from blb_migration.value_decisions import DecisionAction, ValueDecision
from blb_migration_tests.catalogs import column


def convert(
    source: str, target: str, array: pa.Array, *decisions: ValueDecision
) -> tuple[list[object], list[int]]:
    """Return the converted values, and how many rows each decision changed."""
    own, other = column(source), column(target)
    rule = find_rule(own.type, other.type)
    assert rule is not None
    plan = ColumnPlan(own, other, rule.conversion, (), decisions)
    converter = BatchConverter([plan])
    values = converter.convert(pa.RecordBatch.from_arrays([array], names=["c"])).column(0).to_pylist()
    return values, [converter.rows_changed[plan, decision] for decision in decisions]


numbers = st.decimals(min_value=-(10**7), max_value=10**7, places=4)


@pytest.mark.parametrize(("action", "rounding"), [("round", ROUND_HALF_UP), ("truncate", ROUND_DOWN)])
@given(values=st.lists(st.none() | numbers, min_size=1, max_size=20))
def test_digits_are_rounded_away_from_zero_or_cut(
    action: DecisionAction, rounding: str, values: list[Decimal | None]
) -> None:
    decision = ValueDecision("decimal_finer_than", action, "a test", limit=2)
    array = pa.array(values, pa.decimal128(18, 4))
    expected = [None if v is None else v.quantize(Decimal("0.01"), rounding) for v in values]
    changed = sum(a != b for a, b in zip(values, expected, strict=True))
    assert convert("c decimal(18,4)", "c numeric(12,2)", array, decision) == (expected, [changed])


@given(microseconds=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_fractions_are_cut_towards_the_past_also_before_1970(microseconds: int) -> None:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=microseconds)
    decision = ValueDecision("fraction_finer_than", "truncate", "a test", limit=3)
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    result = convert(
        "c datetime2(6)", "c timestamp without time zone", pa.array([moment], pa.timestamp("us")), decision
    )
    assert result == ([cut], [int(cut != moment)])


@pytest.mark.parametrize(
    ("source", "target", "arrow_type", "value", "expected"),
    [
        ("c int", "c integer", pa.int32(), "-7", -7),
        ("c bit", "c boolean", pa.bool_(), "true", True),
        ("c money", "c numeric(19,4)", pa.decimal128(19, 4), "1.5", Decimal("1.5000")),
        ("c float", "c double precision", pa.float64(), "0.1", 0.1),
        ("c nvarchar(9)", "c text", pa.large_string(), "EA", "EA"),
        ("c date", "c date", pa.date32(), "2020-02-29", datetime.date(2020, 2, 29)),
        ("c time(7)", "c time without time zone", pa.time64("ns"), "12:00:00.5",
         datetime.time(12, 0, 0, 500_000)),
        ("c datetime", "c timestamp without time zone", pa.timestamp("us"), "2020-01-01T00:00:00",
         datetime.datetime(2020, 1, 1)),
        ("c datetimeoffset(7)", "c timestamp with time zone", pa.timestamp("us", "UTC"),
         "2020-01-01T00:00:00+00:00",
         datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
        ("c uniqueidentifier", "c uuid", pa.large_string(), "00112233-4455-6677-8899-aabbccddeeff",
         bytes.fromhex("00112233445566778899aabbccddeeff")),
    ],
)  # fmt: skip
def test_null_is_filled_in_every_type(
    source: str, target: str, arrow_type: pa.DataType, value: str, expected: object
) -> None:
    decision = ValueDecision("is_null", "fill", "a test", value=value)
    assert convert(source, target, pa.nulls(2, arrow_type), decision) == ([expected, expected], [2])
