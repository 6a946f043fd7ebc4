"""Conversions between kinds of values, some of which have their meaning by decision.

Each takes a column of the plan, its Arrow array and the Arrow type to return, and raises pa.ArrowInvalid for
a value without an equivalent: preflight has asked for those before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.feed.uuid_texts import uuid_text_to_bytes
from blb_migration.local_times import to_instants, to_local_times
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.pair_risks import FLOAT_DIGITS
from blb_migration.plan.type_pairs import Conversion
from blb_migration.types import look_up_source

PairConverter = Callable[[ColumnPlan, pa.Array, pa.DataType], pa.Array]

_UUID_BYTES = 16
# uniqueidentifier keeps its first three groups with the least byte first.
_SQL_SERVER_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, *range(8, 16)]


def cast_uncut(array: pa.Array, arrow_type: pa.DataType, problem: str) -> pa.Array:
    """Cast where even a safe cast may cut a value. Raises pa.ArrowInvalid with ``problem`` if it did."""
    converted = array.cast(arrow_type, safe=True)
    if not converted.cast(array.type).equals(array):
        raise pa.ArrowInvalid(problem)
    return converted


def _meaning(column: ColumnPlan, key: str) -> list[str]:
    return [d.value or "" for d in column.decisions if d.covers == "meaning" and d.action == key]


def _without_padding(column: ColumnPlan, array: pa.Array) -> pa.Array:
    return pc.utf8_rtrim(array, " ") if look_up_source(column.source.type).is_padded else array


def _text_to_uuid(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return uuid_text_to_bytes(_without_padding(column, array).cast(pa.large_string()), arrow_type)


def _text_to_boolean(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    texts = _without_padding(column, array)
    is_true = pc.is_in(texts, pa.array(_meaning(column, "true"), texts.type))
    is_false = pc.is_in(texts, pa.array(_meaning(column, "false"), texts.type))
    strange = pc.and_(pc.invert(pc.or_(is_true, is_false)), texts.is_valid())
    if pc.any(strange).as_py():
        raise pa.ArrowInvalid("a text stands neither for true nor for false")
    return pc.if_else(texts.is_valid(), is_true, pa.scalar(None, pa.bool_()))


def _text_to_enum(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return _without_padding(column, array).cast(arrow_type)


def _to_text(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return array.cast(arrow_type)


def _number_to_float(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    # By way of text, which is read to the nearest float; the cast from decimal is not.
    floats = array.cast(pa.string()).cast(arrow_type)
    if any(decision.covers == "inexact_as_float" for decision in column.decisions):
        return floats
    scale = getattr(array.type, "scale", 0)
    digits = FLOAT_DIGITS[column.target.type.name]
    for value, found in zip(array.to_pylist(), floats.to_pylist(), strict=True):
        if value is None or abs(value) < 10 ** (digits - scale):
            continue
        if round(Decimal(repr(found)), scale) != value:
            raise pa.ArrowInvalid(f"{value} is not what a {column.target.type} gives back")
    return floats


def _float_to_real(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    if not any(decision.covers == "inexact_as_float" for decision in column.decisions):
        return cast_uncut(array, arrow_type, "a float that a real does not give back")
    reals = array.cast(arrow_type)
    if pc.any(pc.is_inf(reals)).as_py():
        raise pa.ArrowInvalid("a float that is near to no real")
    return reals


def _float_to_numeric(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    # The shortest text that gives the same float back; a finer one raises in the second cast.
    return array.cast(pa.string()).cast(arrow_type, safe=True)


def _binary_to_uuid(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    present = array.drop_null()
    if len(present) and pc.unique(pc.binary_length(present)).to_pylist() != [_UUID_BYTES]:
        raise pa.ArrowInvalid(f"a uuid has {_UUID_BYTES} bytes")
    values = np.frombuffer(b"".join(present.to_pylist()), np.uint8).reshape(-1, _UUID_BYTES)
    if _meaning(column, "byte_order") == ["sqlserver"]:
        values = values[:, _SQL_SERVER_ORDER]
    rows = iter(values)
    return pa.array(
        [next(rows).tobytes() if valid else None for valid in array.is_valid().to_pylist()], arrow_type
    )


def _local_to_instant(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    (zone,) = _meaning(column, "zone")
    local = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    filled = np.asarray(pc.fill_null(local, 0))
    try:
        instants = to_instants(np.where(np.asarray(array.is_valid()), filled, 0), zone)
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from None
    return pa.array(instants, pa.int64(), mask=np.asarray(array.is_null())).cast(arrow_type)


def _instant_to_local(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    (zone,) = _meaning(column, "zone")
    instants = np.asarray(pc.fill_null(array.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), 0))
    local = pa.array(to_local_times(instants, zone), pa.int64(), mask=np.asarray(array.is_null()))
    return local.cast(arrow_type)


def _time_to_interval(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return array.cast(pa.time64("us"), safe=False).cast(pa.int64()).cast(arrow_type)


def _boolean_to_text(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    (true,), (false,) = _meaning(column, "true"), _meaning(column, "false")
    return pc.if_else(array, pa.scalar(true, arrow_type), pa.scalar(false, arrow_type))


def _text_to_integer(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return _read_spelled(column, array, arrow_type, "a number's own digits")


def _text_to_date(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return _read_spelled(column, array, arrow_type, "a date in ISO form")


def _read_spelled(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType, spelling: str) -> pa.Array:
    """Read texts that are spelled exactly as what they say is printed. Raises pa.ArrowInvalid for others."""
    texts = _without_padding(column, array)
    values = texts.cast(arrow_type)
    if not values.cast(texts.type).equals(texts):
        raise pa.ArrowInvalid(f"a text that is not {spelling}")
    return values


def _timestamp_to_date(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return cast_uncut(array, arrow_type, "a timestamp has a time of day")


def _text_to_json_string(column: ColumnPlan, array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    texts = (None if text is None else json.dumps(text, ensure_ascii=False) for text in array.to_pylist())
    return pa.array(list(texts), arrow_type)


PAIR_CONVERTERS: dict[Conversion, PairConverter] = {
    Conversion.TEXT_TO_UUID: _text_to_uuid,
    Conversion.TEXT_TO_BOOLEAN: _text_to_boolean,
    Conversion.TEXT_TO_ENUM: _text_to_enum,
    Conversion.INTEGER_TO_TEXT: _to_text,
    Conversion.BOOLEAN_TO_TEXT: _boolean_to_text,
    Conversion.TEXT_TO_INTEGER: _text_to_integer,
    Conversion.TEXT_TO_DATE: _text_to_date,
    Conversion.NUMBER_TO_FLOAT: _number_to_float,
    Conversion.FLOAT_TO_REAL: _float_to_real,
    Conversion.FLOAT_TO_NUMERIC: _float_to_numeric,
    Conversion.BINARY_TO_UUID: _binary_to_uuid,
    Conversion.LOCAL_TO_INSTANT: _local_to_instant,
    Conversion.INSTANT_TO_LOCAL: _instant_to_local,
    Conversion.TIME_TO_INTERVAL: _time_to_interval,
    Conversion.TIMESTAMP_TO_DATE: _timestamp_to_date,
    Conversion.TEXT_TO_JSON_STRING: _text_to_json_string,
}
