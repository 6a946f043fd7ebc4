"""Arrow batches as the source's driver delivers them become batches that the target's COPY takes.

Every conversion is vectorised and either exact or an error: an Arrow cast that would lose a digit
raises. The one declared loss, digits past the microsecond, happens in the reader and is counted by
preflight. What may become what is decided in ``types.py``; this module only carries it out. What a
person decided about values is applied on the way by ``decided.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.feed.convert_pairs import PAIR_CONVERTERS, cast_uncut
from blb_migration.feed.decided import ArrayConverter, decide_after, decide_before
from blb_migration.feed.uuid_texts import uuid_text_to_bytes
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.type_pairs import UNBOUNDED_FLOAT_DIGITS, Conversion
from blb_migration.postgres.binary.canonical import ARROW_DIGITS
from blb_migration.types import decimal_shape
from blb_migration.value_decisions import ValueDecision

_INTEGER_TYPES = {"smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64()}
_FLOAT_TYPES = {"real": pa.float32(), "double precision": pa.float64()}
# Conversions whose Arrow type does not depend on the columns' declarations.
_FIXED_TYPES = {
    Conversion.BOOLEAN: pa.bool_(),
    Conversion.INTEGER_TO_BOOLEAN: pa.bool_(),
    Conversion.TEXT: pa.large_string(),
    Conversion.JSON: pa.large_string(),
    Conversion.UUID_TO_TEXT: pa.large_string(),
    Conversion.UUID: pa.binary(16),
    Conversion.BINARY: pa.large_binary(),
    Conversion.DATE: pa.date32(),
    Conversion.TIME: pa.time64("us"),
    Conversion.DATE_TO_TIMESTAMP: pa.timestamp("us"),
    Conversion.TIMESTAMP: pa.timestamp("us"),
    Conversion.INSTANT: pa.timestamp("us", tz="UTC"),
    Conversion.TEXT_TO_UUID: pa.binary(16),
    Conversion.BINARY_TO_UUID: pa.binary(16),
    Conversion.TEXT_TO_BOOLEAN: pa.bool_(),
    Conversion.TEXT_TO_ENUM: pa.large_string(),
    Conversion.INTEGER_TO_TEXT: pa.large_string(),
    Conversion.TEXT_TO_JSON_STRING: pa.large_string(),
    Conversion.BOOLEAN_TO_TEXT: pa.large_string(),
    Conversion.TEXT_TO_DATE: pa.date32(),
    Conversion.TIME_TO_INTERVAL: pa.duration("us"),
    Conversion.LOCAL_TO_INSTANT: pa.timestamp("us", tz="UTC"),
    Conversion.INSTANT_TO_LOCAL: pa.timestamp("us"),
    Conversion.TIMESTAMP_TO_DATE: pa.date32(),
}


class BatchConverter:
    """Converts the batches of one table; columns stay in the plan's order and take the target's names.

    ``schema`` is the Arrow schema of what ``convert`` returns. ``rows_changed`` counts, by column and
    decision, the rows that decisions have changed so far. What the driver itself changes (half a surrogate
    pair) is marked by bool columns after the others, one for each of ``marked_columns``, where the reader
    was asked for them; without them such rows are not counted.
    """

    def __init__(self, columns: Sequence[ColumnPlan]) -> None:
        self._columns = tuple(columns)
        self.marked_columns = tuple(column for column in columns if _replaced_by_driver(column) is not None)
        self.rows_changed: Counter[tuple[ColumnPlan, ValueDecision]] = Counter()
        self.schema = pa.schema([(column.target.name, build_arrow_type(column)) for column in columns])

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One batch in the target's form, same rows in the same order.

        Raises ValueError naming the source column when a value does not fit; preflight finds those
        before the load, so that this is the last guard and not the first.
        """
        arrays = []
        count = len(self._columns)
        for column, mark in zip(self.marked_columns, batch.columns[count:], strict=False):
            decision = _replaced_by_driver(column)
            assert decision is not None
            self.rows_changed[column, decision] += pc.sum(mark).as_py() or 0
        for column, field, array in zip(self._columns, self.schema, batch.columns[:count], strict=True):
            convert = _find_converter(column)
            try:
                decided = decide_before(column, array, self.rows_changed)
                converted = decide_after(column, convert(decided, field.type), self.rows_changed, convert)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # whose texts quote the value
                raise ValueError(
                    f"column {column.source.name} ({column.source.type}) has a value that does not fit "
                    f"{column.target.name} ({column.target.type})"
                ) from None
            arrays.append(converted)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _find_converter(column: ColumnPlan) -> ArrayConverter:
    of_pair = PAIR_CONVERTERS.get(column.conversion)
    return _CONVERTERS.get(column.conversion, _cast) if of_pair is None else partial(of_pair, column)


def _replaced_by_driver(column: ColumnPlan) -> ValueDecision | None:
    return next((decision for decision in column.decisions if decision.covers == "lone_surrogate"), None)


def build_arrow_type(column: ColumnPlan) -> pa.DataType:
    """Build the Arrow type in which a column's values reach the COPY encoder."""
    if column.conversion in _FIXED_TYPES:
        return _FIXED_TYPES[column.conversion]
    target = column.target.type
    if column.conversion is Conversion.FLOAT_TO_NUMERIC and target.precision is None:
        return pa.decimal128(38, UNBOUNDED_FLOAT_DIGITS)
    if column.conversion in (Conversion.NUMERIC, Conversion.INTEGER_TO_NUMERIC, Conversion.FLOAT_TO_NUMERIC):
        # The target's own shape, as far as Arrow has it; an unconstrained numeric keeps the source's.
        if target.precision is None:
            return pa.decimal128(*decimal_shape(column.source.type))
        scale = max(target.scale or 0, 0)
        if target.precision > ARROW_DIGITS:
            is_float = column.conversion is Conversion.FLOAT_TO_NUMERIC
            own = UNBOUNDED_FLOAT_DIGITS if is_float else decimal_shape(column.source.type)[1]
            return pa.decimal128(ARROW_DIGITS, min(scale, own))
        whole_digits = target.precision - (target.scale or 0)
        return pa.decimal128(min(max(target.precision, whole_digits), ARROW_DIGITS), scale)
    return _FLOAT_TYPES.get(target.name) or _INTEGER_TYPES[target.name]


def _cast(array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    if array.type == arrow_type:
        return array
    if _may_be_cut(array.type, arrow_type):  # by a server that sends another type than its catalog tells
        return cast_uncut(array, arrow_type, f"{array.type} has a value that {arrow_type} would cut")
    return array.cast(arrow_type, safe=True)


def _may_be_cut(sent: pa.DataType, arrow_type: pa.DataType) -> bool:
    if pa.types.is_floating(arrow_type):
        return bool(sent != pa.float32())
    return bool(pa.types.is_boolean(arrow_type) or pa.types.is_date(arrow_type))


def _integer_to_numeric(array: pa.Array, arrow_type: pa.Decimal128Type) -> pa.Array:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    # Arrow casts an integer only to a decimal that has room for every value of the integer's type.
    return array.cast(pa.decimal128(38, arrow_type.scale), safe=True).cast(arrow_type, safe=True)


def _integer_to_boolean(array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    if array.null_count < len(array) and not 0 <= pc.min(array).as_py() <= pc.max(array).as_py() <= 1:
        raise pa.ArrowInvalid("an integer other than 0 and 1 is neither false nor true")
    return array.cast(arrow_type)


def _truncate_to_microseconds(array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """time64[ns] to time64[us], cutting off what is finer: the declared rule for time(7)."""
    return array if array.type == arrow_type else array.cast(arrow_type, safe=False)


_CONVERTERS: dict[Conversion, ArrayConverter] = {
    Conversion.INTEGER_TO_NUMERIC: _integer_to_numeric,
    Conversion.INTEGER_TO_BOOLEAN: _integer_to_boolean,
    Conversion.TIME: _truncate_to_microseconds,
    Conversion.UUID: uuid_text_to_bytes,
}
