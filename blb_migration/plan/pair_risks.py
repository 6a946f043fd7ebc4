"""What must be asked of values whose kind changes on the way: texts into words, local times, floats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.model import Column
from blb_migration.plan.type_pairs import UNBOUNDED_FLOAT_DIGITS, Conversion
from blb_migration.questions import Question
from blb_migration.types import decimal_shape, look_up_source
from blb_migration.value_decisions import ValueDecision

# DBL_DIG and FLT_DIG: so many decimal digits always survive.
FLOAT_DIGITS = {"double precision": 15, "real": 6}
_MOST_DIGITS = 38
_GUID_LENGTH = 36


def iterate_pair_risks(  # noqa: PLR0912  # one case after the other
    conversion: Conversion, source: Column, target: Column, decisions: Sequence[ValueDecision]
) -> Iterator[Question]:
    """Yield the questions of such a pair; none for others."""
    name = source.name
    match conversion:
        case Conversion.TEXT_TO_UUID:
            yield Question(name, "not_uuid")
        case Conversion.TEXT_TO_BOOLEAN:
            words = tuple(d.value or "" for d in decisions if d.action in ("true", "false"))
            if words:
                yield Question(name, "not_a_word", words)
        case Conversion.TEXT_TO_ENUM:
            yield Question(name, "not_a_word", target.type.labels)
        case Conversion.BINARY_TO_UUID:
            yield Question(name, "not_sixteen_bytes")
        case Conversion.TIMESTAMP_TO_DATE:
            yield Question(name, "has_time_of_day")
        case Conversion.TEXT_TO_INTEGER:
            yield Question(name, "not_the_number", (target.type.name,))
        case Conversion.TEXT_TO_DATE:
            yield Question(name, "not_the_date")
        case Conversion.FLOAT_TO_REAL:
            yield Question(name, "inexact_as_float", (target.type.name,))
            yield Question(name, "real_outside")
        case Conversion.INSTANT_TO_LOCAL:
            for decision in decisions:
                if decision.action == "zone":
                    yield Question(name, "instant_shown_twice", (decision.value or "",))
        case Conversion.LOCAL_TO_INSTANT:
            for decision in decisions:
                if decision.action == "zone":
                    yield Question(name, "skipped_local_time", (decision.value or "",))
                    yield Question(name, "repeated_local_time", (decision.value or "",))
        case Conversion.NUMBER_TO_FLOAT:
            if decimal_shape(source.type)[0] > FLOAT_DIGITS[target.type.name]:
                yield Question(name, "inexact_as_float", (target.type.name,))
        case Conversion.FLOAT_TO_NUMERIC:
            precision = min(target.type.precision or _MOST_DIGITS, _MOST_DIGITS)
            scale = UNBOUNDED_FLOAT_DIGITS if target.type.precision is None else target.type.scale or 0
            yield Question(name, "float_finer_than", (scale,))
            yield Question(name, "float_outside", (precision - scale,))
        case Conversion.UUID_TO_TEXT if target.type.length is not None and target.type.length < _GUID_LENGTH:
            yield Question(name, "text_longer_than", (target.type.length,))
        case Conversion.INTEGER_TO_TEXT if target.type.length is not None:
            low, high = look_up_source(source.type).range or (0, 0)
            least, greatest = -(10 ** (target.type.length - 1)) + 1, 10**target.type.length - 1
            if low < least or high > greatest:
                yield Question(name, "integer_outside", (least, greatest))
