"""What a person decided about values, carried out on Arrow arrays and counted. Vectorised.

Rounding and cutting come before the conversion to the target's type, which refuses what does not fit;
filling comes after it. Half surrogate pairs are not seen here: the driver has already made them U+FFFD.
The source applies the same rules in SQL, see ``sqlserver/expressions.py``.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.feed.json_escapes import replace_escaped_halves, replace_escaped_nul
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.type_pairs import Conversion
from blb_migration.value_decisions import ValueDecision

ArrayConverter = Callable[[pa.Array, pa.DataType], pa.Array]
Changes = Counter[tuple[ColumnPlan, ValueDecision]]

# SQL Server's ROUND rounds halves away from zero.
_ROUNDING = {"round": "half_towards_infinity", "truncate": "towards_zero"}
_MICROSECOND_DIGITS = 6
_FLOATS = {"real": pa.float32(), "double precision": pa.float64()}
# Whose values become others on the way: what fills a NULL goes that way, too, as the source would send it.
_FILLED_FROM = {
    Conversion.BOOLEAN_TO_TEXT: pa.bool_(),
    Conversion.TIME_TO_INTERVAL: pa.time64("us"),
    Conversion.LOCAL_TO_INSTANT: pa.timestamp("us"),
    Conversion.INSTANT_TO_LOCAL: pa.timestamp("us", tz="UTC"),
}


def decide_before(column: ColumnPlan, array: pa.Array, changes: Changes) -> pa.Array:
    """Return the array as the source delivered it, after all decisions but filling; counts the rows
    changed."""
    for decision in column.decisions:
        apply = _APPLY.get(decision.covers)
        if apply is not None:
            changed, array = apply(array, decision)
            changes[column, decision] += pc.sum(changed).as_py() or 0
    return array


def decide_after(column: ColumnPlan, array: pa.Array, changes: Changes, convert: ArrayConverter) -> pa.Array:
    """Return the array in the target's type with its NULLs filled, if that was decided."""
    for decision in column.decisions:
        if decision.covers == "is_null":
            changes[column, decision] += array.null_count
            if array.null_count:
                array = pc.fill_null(array, _build_filling(column, decision.value or "", array.type, convert))
    return array


def _build_filling(
    column: ColumnPlan, value: str, arrow_type: pa.DataType, convert: ArrayConverter
) -> pa.Scalar:
    sent_type = _FILLED_FROM.get(column.conversion)
    if sent_type is None:
        return _build_scalar(value, arrow_type, convert)
    return convert(pa.array([_build_scalar(value, sent_type, convert)]), arrow_type)[0]


def _build_scalar(value: str, arrow_type: pa.DataType, convert: ArrayConverter) -> pa.Scalar:
    text = pa.array([value], pa.large_string())
    if pa.types.is_fixed_size_binary(arrow_type):
        return convert(text, arrow_type)[0]
    if pa.types.is_time(arrow_type):  # Arrow has no cast from text to it
        return pa.scalar(datetime.time.fromisoformat(value), arrow_type)
    return text.cast(arrow_type)[0]


def _replace_nul(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    by = decision.value or ""
    return pc.match_substring(array, "\0"), pc.replace_substring(array, pattern="\0", replacement=by)


def _cut_text(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    return (
        pc.greater(pc.utf8_length(array), decision.limit),
        pc.utf8_slice_codeunits(array, start=0, stop=decision.limit),
    )


def _round_decimal(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    # 38 digits of room: 9.99 as decimal(3, 2) has none for 10.00.
    wide = array.cast(pa.decimal128(38, getattr(array.type, "scale", 0)))
    rounded = pc.round(wide, ndigits=decision.limit, round_mode=_ROUNDING[decision.action])
    return pc.not_equal(wide, rounded), rounded


def _cut_fraction(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    """Whole steps since midnight or 1970, cut towards the past as SQL Server's DATEPART counts."""
    per_second = 10**9 if array.type.unit == "ns" else 10**_MICROSECOND_DIGITS
    step = per_second // 10 ** (decision.limit or 0)
    ticks = array.cast(pa.int64())
    quotient = pc.divide(ticks, step)
    is_below = pc.less(ticks, pc.multiply(quotient, step))
    floored = pc.multiply(pc.subtract(quotient, is_below.cast(pa.int64())), step)
    return pc.not_equal(ticks, floored), floored.cast(array.type)


def _cut_to_date(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    days = pc.floor_temporal(array, unit="day")
    return pc.not_equal(array, days), days


def _round_float(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    """To the float that is nearest to the rounded number: the conversion then finds no finer digit."""
    step = Decimal(1).scaleb(-(decision.limit or 0))
    texts = array.cast(pa.string()).to_pylist()
    with localcontext(prec=400):
        rounded = [
            None if text is None else str(Decimal(text).quantize(step, rounding=ROUND_HALF_UP))
            for text in texts
        ]
    values = pa.array(rounded, pa.string()).cast(array.type)
    return pc.not_equal(array, values), values


def _take_nearest_float(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    """Count what a float does not give back; the conversion takes the nearest one."""
    arrow_type = _FLOATS[decision.value or ""]
    if pa.types.is_floating(array.type):
        return pc.not_equal(array.cast(arrow_type).cast(array.type), array), array
    scale = getattr(array.type, "scale", 0)
    values = array.to_pylist()
    floats = array.cast(pa.string()).cast(arrow_type).to_pylist()
    with localcontext(prec=60):
        changed = [
            value is not None and round(Decimal(repr(found)), scale) != value
            for value, found in zip(values, floats, strict=True)
        ]
    return pa.array(changed, pa.bool_()), array


_APPLY: dict[str, Callable[[pa.Array, ValueDecision], tuple[pa.Array, pa.Array]]] = {
    "contains_nul": _replace_nul,
    "text_longer_than": _cut_text,
    "decimal_finer_than": _round_decimal,
    "fraction_finer_than": _cut_fraction,
    "json_nul": replace_escaped_nul,
    "json_lone_surrogate": replace_escaped_halves,
    "has_time_of_day": _cut_to_date,
    "float_finer_than": _round_float,
    "inexact_as_float": _take_nearest_float,
}
