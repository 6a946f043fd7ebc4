"""The types: which SQL Server type may land in which PostgreSQL type, how, and at what risk.

One table, ``RULES``. A pair of columns without a rule is a finding, never a guess. A rule names the
conversion (carried out on Arrow batches in ``migrate/convert.py``) and the questions that preflight
must ask the source, because the target could hold less than the source does.

Sources: SQL Server's "Data types (Transact-SQL)", PostgreSQL's chapter 8 "Data Types".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from blb_migration.model import Column, ColumnType
from blb_migration.questions import Question, QuestionKind


class Conversion(StrEnum):
    """How a column's Arrow array is made fit for the target's binary COPY form."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    INTEGER_TO_NUMERIC = "integer to numeric"
    BOOLEAN_TO_INTEGER = "boolean to integer"
    INTEGER_TO_BOOLEAN = "integer to boolean"
    NUMERIC = "numeric"
    NUMERIC_TO_INTEGER = "numeric to integer"
    FLOAT = "float"
    TEXT = "text"
    JSON = "json"
    BINARY = "binary"
    DATE = "date"
    DATE_TO_TIMESTAMP = "date to timestamp"
    TIME = "time"
    TIMESTAMP = "timestamp"
    INSTANT = "instant"
    UUID = "uuid"
    UUID_TO_TEXT = "uuid to text"


@dataclass(frozen=True)
class TypeRule:
    """``sources`` may land in ``targets`` by ``conversion``; ``loss`` says in words what is not carried."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    conversion: Conversion
    loss: str = "none"


_INTEGERS = ("smallint", "integer", "bigint")
_DECIMALS = ("decimal", "numeric", "money", "smallmoney")
_UNICODE = ("nchar", "nvarchar", "ntext", "sysname")
_NARROW = ("char", "varchar", "text")
_TEXTS = ("character varying", "character", "text", "citext")

RULES: tuple[TypeRule, ...] = (
    TypeRule(("bit",), ("boolean",), Conversion.BOOLEAN),
    TypeRule(("bit",), _INTEGERS, Conversion.BOOLEAN_TO_INTEGER),
    TypeRule(
        ("tinyint", "smallint", "int", "bigint"), _INTEGERS, Conversion.INTEGER, "found if out of range"
    ),
    TypeRule(
        ("tinyint", "smallint", "int", "bigint"),
        ("boolean",),
        Conversion.INTEGER_TO_BOOLEAN,
        "found if other than 0 and 1",
    ),
    TypeRule(
        ("tinyint", "smallint", "int", "bigint"),
        ("numeric",),
        Conversion.INTEGER_TO_NUMERIC,
        "found if it does not fit",
    ),
    TypeRule(_DECIMALS, ("numeric",), Conversion.NUMERIC, "found if it does not fit"),
    TypeRule(_DECIMALS, _INTEGERS, Conversion.NUMERIC_TO_INTEGER, "found if it does not fit"),
    TypeRule(("real",), ("real", "double precision"), Conversion.FLOAT),
    TypeRule(("float",), ("double precision",), Conversion.FLOAT),
    TypeRule(
        (*_UNICODE, *_NARROW),
        _TEXTS,
        Conversion.TEXT,
        "found if longer, or with U+0000 or half a surrogate pair",
    ),
    TypeRule((*_UNICODE, *_NARROW), ("json", "jsonb"), Conversion.JSON, "found if not JSON"),
    TypeRule(("xml",), ("xml", "text"), Conversion.TEXT, "the XML as SQL Server serializes it"),
    TypeRule(
        ("binary", "varbinary", "image"),
        ("bytea",),
        Conversion.BINARY,
    ),
    TypeRule(
        ("rowversion",),
        ("bytea",),
        Conversion.BINARY,
        "the bytes; PostgreSQL does not count them up on update",
    ),
    TypeRule(("date",), ("date",), Conversion.DATE),
    TypeRule(("date",), ("timestamp without time zone",), Conversion.DATE_TO_TIMESTAMP),
    TypeRule(
        ("time",), ("time without time zone",), Conversion.TIME, "digits past the sixth are cut off, counted"
    ),
    TypeRule(
        ("datetime", "smalldatetime", "datetime2"),
        ("timestamp without time zone",),
        Conversion.TIMESTAMP,
        "digits past the sixth are cut off, counted",
    ),
    TypeRule(
        ("datetimeoffset",),
        ("timestamp with time zone",),
        Conversion.INSTANT,
        "the instant is kept, the offset is not; digits past the sixth are cut off, counted",
    ),
    TypeRule(("uniqueidentifier",), ("uuid",), Conversion.UUID),
    TypeRule(
        ("uniqueidentifier",), _TEXTS, Conversion.UUID_TO_TEXT, "upper-case text, as SQL Server shows it"
    ),
    TypeRule(("sql_variant",), _TEXTS, Conversion.TEXT, "the value as text; its base type is not kept"),
    TypeRule(("hierarchyid",), _TEXTS, Conversion.TEXT, "the path as text, for example /1/2/"),
    TypeRule(
        ("geography", "geometry"),
        ("bytea",),
        Conversion.BINARY,
        "well-known binary (WKB); the SRID is not kept",
    ),
)

_RULES_BY_PAIR = {
    (source, target): rule for rule in RULES for source in rule.sources for target in rule.targets
}

# PostgreSQL's timestamp and time keep microseconds; SQL Server's go to 100 ns.
TARGET_FRACTION_DIGITS = 6

_FRACTIONAL = ("time", "datetime", "smalldatetime", "datetime2", "datetimeoffset")

_INTEGER_RANGES = {
    "tinyint": (0, 255),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
    "boolean": (0, 1),
}
_FIXED_DECIMALS = {"money": (19, 4), "smallmoney": (10, 4), "tinyint": (3, 0), "smallint": (5, 0)}
_FIXED_DECIMALS |= {"int": (10, 0), "bigint": (19, 0)}


def find_rule(source: ColumnType, target: ColumnType) -> TypeRule | None:
    """The rule for a pair of column types, or None when nobody has decided what it would mean."""
    return _RULES_BY_PAIR.get((source.name, target.name))


def decimal_shape(source: ColumnType) -> tuple[int, int]:
    """(precision, scale) of an exact number type, in decimal digits."""
    if source.name in _FIXED_DECIMALS:
        return _FIXED_DECIMALS[source.name]
    return source.precision or 18, source.scale or 0


def build_questions(source: Column, target: Column) -> tuple[Question, ...]:
    """What must be asked of the source's values before this pair may be loaded.

    Empty when every value the source's type can hold fits the target's type.
    """
    return tuple(Question(source.name, kind, arguments) for kind, arguments in _iterate_risks(source, target))


def _iterate_risks(source: Column, target: Column) -> Iterator[tuple[QuestionKind, tuple[int, ...]]]:
    rule = find_rule(source.type, target.type)
    if rule is None:
        return
    if source.nullable and not target.nullable:
        yield "is_null", ()
    if rule.conversion in (Conversion.TEXT, Conversion.JSON):
        yield from _iterate_text_risks(source.type, target.type)
    elif source.type.name in _FRACTIONAL and target.type.name != "date":
        digits = _or(target.type.scale, TARGET_FRACTION_DIGITS)
        if fraction_digits(source.type) > digits:
            yield "fraction_finer_than", (digits,)
    else:
        yield from _iterate_number_risks(rule.conversion, source.type, target.type)


def _iterate_number_risks(
    conversion: Conversion, source: ColumnType, target: ColumnType
) -> Iterator[tuple[QuestionKind, tuple[int, ...]]]:
    if conversion in (Conversion.INTEGER, Conversion.INTEGER_TO_BOOLEAN):
        low, high = _INTEGER_RANGES[source.name]
        target_low, target_high = _INTEGER_RANGES[target.name]
        if low < target_low or high > target_high:
            yield "integer_outside", (target_low, target_high)
    elif conversion in (Conversion.NUMERIC, Conversion.INTEGER_TO_NUMERIC) and target.precision is not None:
        precision, scale = decimal_shape(source)
        target_scale = target.scale or 0
        if scale > target_scale or precision - scale > target.precision - target_scale:
            yield "decimal_does_not_fit", (target.precision, target_scale)
    elif conversion is Conversion.NUMERIC_TO_INTEGER:
        precision, scale = decimal_shape(source)
        low, high = _INTEGER_RANGES[target.name]
        if scale > 0:
            yield "decimal_does_not_fit", (38, 0)
        if 10 ** (precision - scale) - 1 > high:
            yield "integer_outside", (low, high)


def _iterate_text_risks(
    source: ColumnType, target: ColumnType
) -> Iterator[tuple[QuestionKind, tuple[int, ...]]]:
    if target.length is not None and (source.length is None or source.length > target.length):
        yield "text_longer_than", (target.length,)
    if source.name not in ("xml", "hierarchyid"):  # neither can hold these by its own rules
        yield "contains_nul", ()
        if source.name in (*_UNICODE, "sql_variant"):
            yield "lone_surrogate", ()
    if target.name in ("json", "jsonb"):
        yield "not_json", ()


def fraction_digits(source: ColumnType) -> int:
    """Fractional second digits a SQL Server date or time type can hold; datetime's 1/300 s needs 3."""
    if source.name == "datetime":
        return 3
    if source.name in ("smalldatetime", "date"):
        return 0
    return _or(source.scale, 7)


def _or(value: int | None, fallback: int) -> int:
    return fallback if value is None else value
