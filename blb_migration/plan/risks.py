"""What the target could not hold of what the source's type allows: the questions preflight must ask.

Pure functions over a pair of columns. No question is asked that the two types answer by themselves. The
questions' SQL is in ``sqlserver/probes.py``, what their answers mean in ``preflight/values.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.model import Column, ColumnType
from blb_migration.plan.pair_risks import iterate_pair_risks
from blb_migration.plan.type_pairs import Conversion, choose_conversion, find_rule
from blb_migration.questions import Question, QuestionKind
from blb_migration.types import (
    MOMENTS,
    SOURCE_TYPES,
    TARGET_TYPES,
    Family,
    decimal_shape,
    look_up_source,
    name_source_types,
)
from blb_migration.value_decisions import ValueDecision

# PostgreSQL's timestamp and time keep microseconds; SQL Server's go to 100 ns.
TARGET_FRACTION_DIGITS = 6

_TEXTS = name_source_types(Family.TEXT)
JSON_RISKS: tuple[QuestionKind, ...] = ("json_nul", "json_lone_surrogate", "json_number_outside")
_BIT_RANGE = (0, 1)
_NEVER_IN_VARIANTS = ("text", "ntext", "image", "sysname", "rowversion")
# sys.types.name of every type that a sql_variant can hold.
VARIANT_BASE_TYPES = tuple(
    name
    for name, each in SOURCE_TYPES.items()
    if each.family not in (Family.DOCUMENT, Family.OTHER) and name not in _NEVER_IN_VARIANTS
)


def build_questions(
    source: Column, target: Column, decisions: Sequence[ValueDecision] = (), *, is_in_key: bool = False
) -> tuple[Question, ...]:
    """Return what must be asked of the source's values before this pair may be loaded.

    Empty when every value the source's type can hold fits the target's type. ``decisions`` are the
    column's: what they leave of a value must fit, so later questions are asked after earlier decisions.
    ``is_in_key``: values are compared with other rows', so that spaces at their ends matter.
    """
    rule = find_rule(source.type, target.type)
    if rule is None:
        return ()
    conversion = choose_conversion(rule, decisions)
    questions = list(_iterate_number_risks(conversion, source, target, decisions))
    questions += iterate_pair_risks(conversion, source, target, decisions)
    if source.nullable and not target.nullable:
        questions.insert(0, Question(source.name, "is_null"))
    if conversion in (Conversion.TEXT, Conversion.JSON, Conversion.TEXT_TO_JSON_STRING):
        questions += _iterate_text_risks(source, target, decisions, is_in_key)
    elif look_up_source(source.type).family in MOMENTS and target.type.name != "date":
        digits = target_fraction_digits(target.type)
        if fraction_digits(source.type) > digits:
            questions.append(Question(source.name, "fraction_finer_than", (digits,)))
    if source.type.name == "datetimeoffset":
        questions.append(Question(source.name, "offset_is_lost"))
    return tuple(questions)


def _iterate_number_risks(
    conversion: Conversion, source: Column, target: Column, decisions: Sequence[ValueDecision]
) -> Iterator[Question]:
    name = source.name
    if conversion in (Conversion.INTEGER, Conversion.INTEGER_TO_BOOLEAN):
        low, high = look_up_source(source.type).range or _BIT_RANGE
        target_low, target_high = _target_range(target)
        if low < target_low or high > target_high:
            yield Question(name, "integer_outside", (target_low, target_high))
        return
    is_numeric = conversion in (Conversion.NUMERIC, Conversion.INTEGER_TO_NUMERIC)
    if not is_numeric and conversion is not Conversion.NUMERIC_TO_INTEGER:
        return
    if is_numeric and target.type.precision is None:
        return
    precision, scale = decimal_shape(source.type)
    target_scale = (target.type.scale or 0) if is_numeric else 0
    rounding = tuple(decision for decision in decisions if decision.covers == "decimal_finer_than")
    if scale > target_scale:
        yield Question(name, "decimal_finer_than", (target_scale,))
    # Rounding up can make one digit more.
    whole_digits = precision - scale + (scale > target_scale and any(d.action == "round" for d in rounding))
    if is_numeric:
        room = (target.type.precision or 0) - target_scale
        if whole_digits > room:
            yield Question(name, "decimal_outside", (room,), after=rounding)
    elif 10**whole_digits - 1 > _target_range(target)[1]:
        yield Question(name, "integer_outside", _target_range(target), after=rounding)


def _iterate_text_risks(
    source: Column, target: Column, decisions: Sequence[ValueDecision], is_in_key: bool
) -> Iterator[Question]:
    name, base = source.name, source.type.name
    cleaning = tuple(d for d in decisions if d.covers in ("contains_nul", "lone_surrogate"))
    if not look_up_source(source.type).is_clean:
        yield Question(name, "contains_nul")
        if look_up_source(source.type).is_unicode:
            yield Question(name, "lone_surrogate")
    if target.type.length is not None and (
        source.type.length is None or source.type.length > target.type.length
    ):
        yield Question(name, "text_longer_than", (target.type.length,), after=cleaning)
    is_string = any(decision.action == "as" for decision in decisions)
    if target.type.name in ("json", "jsonb") and base not in ("json", "xml") and not is_string:
        yield Question(name, "not_json", after=cleaning)
    if target.type.name == "jsonb" and base != "xml" and not is_string:
        for kind in JSON_RISKS:
            yield Question(name, kind)
    if is_in_key and base in _TEXTS and target.type.name != "character":
        yield Question(name, "ends_in_space")
    if base == "sql_variant":
        for variant in VARIANT_BASE_TYPES:
            yield Question(name, "variant_of_type", (variant,), wants_keys=False)


def fraction_digits(source: ColumnType) -> int:
    """Fractional second digits a SQL Server date or time type can hold; datetime's 1/300 s needs 3."""
    fixed = look_up_source(source).fraction_digits
    if fixed is not None:
        return fixed
    return 7 if source.scale is None else source.scale


def target_fraction_digits(target: ColumnType) -> int:
    """Fractional second digits a PostgreSQL time type keeps."""
    return TARGET_FRACTION_DIGITS if target.scale is None else target.scale


def _target_range(target: Column) -> tuple[int, int]:
    found = TARGET_TYPES[target.type.name].range
    assert found is not None
    return found
