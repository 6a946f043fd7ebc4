"""Which SQL Server type may land in which PostgreSQL type, how, and at what loss.

One table, ``RULES``: ``blb-migrate types`` prints it, docs/type-mapping.md holds it, a test keeps them
the same. A pair of columns without a rule is a finding, never a guess. A rule names the conversion, which
``feed/convert.py`` carries out on Arrow batches; what must be asked of the source because the target
could hold less than the source does is in ``risks.py``. What each type is, is in ``types.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from blb_migration.model import ColumnType
from blb_migration.types import (
    SOURCE_TYPES,
    Family,
    look_up_source,
    name_source_types,
    name_target_types,
)
from blb_migration.value_decisions import ValueDecision


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
    TEXT_TO_UUID = "text to uuid"
    TEXT_TO_BOOLEAN = "text to boolean"
    TEXT_TO_ENUM = "text to enum"
    INTEGER_TO_TEXT = "integer to text"
    BOOLEAN_TO_TEXT = "boolean to text"
    TEXT_TO_INTEGER = "text to integer"
    TEXT_TO_DATE = "text to date"
    NUMBER_TO_FLOAT = "number to float"
    FLOAT_TO_REAL = "float to real"
    FLOAT_TO_NUMERIC = "float to numeric"
    BINARY_TO_UUID = "binary to uuid"
    LOCAL_TO_INSTANT = "local time to instant"
    INSTANT_TO_LOCAL = "instant to local time"
    TIME_TO_INTERVAL = "time to interval"
    TIMESTAMP_TO_DATE = "timestamp to date"
    TEXT_TO_JSON_STRING = "text to a JSON string"


@dataclass(frozen=True)
class TypeRule:
    """``sources`` may land in ``targets`` by ``conversion``; ``loss`` says in words what is not carried.

    ``needs`` are the keys of decisions.yaml without which nobody knows what the pair means.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    conversion: Conversion
    loss: str = "none"
    needs: tuple[str, ...] = ()

    @property
    def arrow_types(self) -> tuple[str, ...]:
        """The Arrow types on the way, each once, in the order of the sources."""
        return tuple(dict.fromkeys(SOURCE_TYPES[source].arrow for source in self.sources))


_WHOLE_NUMBERS = name_source_types(Family.INTEGER)
_INTEGERS = name_target_types(Family.INTEGER)
_DECIMALS = name_source_types(Family.DECIMAL)
_TEXTS = name_target_types(Family.TEXT)
# Those of two bytes a character first.
_CHARACTERS = tuple(
    sorted(name_source_types(Family.TEXT), key=lambda name: not SOURCE_TYPES[name].is_unicode)
)

_SEVENTH_DIGIT = "digits past the sixth are cut off, counted; fewer where the target keeps fewer: found"

RULES: tuple[TypeRule, ...] = (
    TypeRule(("bit",), ("boolean",), Conversion.BOOLEAN),
    TypeRule(("bit",), _INTEGERS, Conversion.BOOLEAN_TO_INTEGER),
    TypeRule(("bit",), ("numeric",), Conversion.INTEGER_TO_NUMERIC, "found if it does not fit"),
    TypeRule(
        ("bit",),
        _TEXTS,
        Conversion.BOOLEAN_TO_TEXT,
        "by decision: `true: [Y]` and `false: [N]`, one word each",
        needs=("true", "false"),
    ),
    TypeRule(_WHOLE_NUMBERS, _INTEGERS, Conversion.INTEGER, "found if out of range"),
    TypeRule(_WHOLE_NUMBERS, ("boolean",), Conversion.INTEGER_TO_BOOLEAN, "found if other than 0 and 1"),
    TypeRule(_WHOLE_NUMBERS, ("numeric",), Conversion.INTEGER_TO_NUMERIC, "found if it does not fit"),
    TypeRule(_DECIMALS, ("numeric",), Conversion.NUMERIC, "found if it does not fit"),
    TypeRule(_DECIMALS, _INTEGERS, Conversion.NUMERIC_TO_INTEGER, "found if it does not fit"),
    TypeRule(("real",), ("real", "double precision"), Conversion.FLOAT),
    TypeRule(("float",), ("double precision",), Conversion.FLOAT),
    TypeRule(("float",), ("real",), Conversion.FLOAT_TO_REAL, "found if a real cannot give it back"),
    TypeRule(_CHARACTERS, _TEXTS, Conversion.TEXT, "found if longer, with U+0000 or half a surrogate pair"),
    TypeRule(
        _CHARACTERS,
        ("json", "jsonb"),
        Conversion.JSON,
        "found if not JSON or not for jsonb, which keeps no spelling, and of equal keys the last",
    ),
    TypeRule(
        ("json",), ("json", "jsonb"), Conversion.JSON, "as SQL Server prints it; found if not for jsonb"
    ),
    TypeRule(("json", "vector"), _TEXTS, Conversion.TEXT, "as SQL Server prints it"),
    TypeRule(("xml",), ("xml", *_TEXTS), Conversion.TEXT, "the XML as SQL Server serializes it"),
    TypeRule(("binary", "varbinary", "image"), ("bytea",), Conversion.BINARY),
    TypeRule(("rowversion",), ("bytea",), Conversion.BINARY, "the bytes; nothing counts them up, reported"),
    TypeRule(("date",), ("date",), Conversion.DATE),
    TypeRule(("date",), ("timestamp without time zone",), Conversion.DATE_TO_TIMESTAMP),
    TypeRule(("time",), ("time without time zone",), Conversion.TIME, _SEVENTH_DIGIT),
    TypeRule(("time",), ("interval",), Conversion.TIME_TO_INTERVAL, f"since midnight; {_SEVENTH_DIGIT}"),
    TypeRule(
        ("datetime", "smalldatetime", "datetime2"),
        ("timestamp without time zone",),
        Conversion.TIMESTAMP,
        _SEVENTH_DIGIT,
    ),
    TypeRule(
        ("datetimeoffset",),
        ("timestamp with time zone",),
        Conversion.INSTANT,
        f"the instant is kept, an offset other than +00:00 is not, counted; {_SEVENTH_DIGIT}",
    ),
    TypeRule(
        ("datetimeoffset",),
        ("timestamp without time zone",),
        Conversion.INSTANT_TO_LOCAL,
        "by decision: `zone: UTC`, or whose local time it is to be; an offset other than +00:00 is not kept, "
        "nor which of two instants it was that the clocks showed as one time, both counted; "
        f"{_SEVENTH_DIGIT}",
        needs=("zone",),
    ),
    TypeRule(("uniqueidentifier",), ("uuid",), Conversion.UUID),
    TypeRule(_CHARACTERS, ("uuid",), Conversion.TEXT_TO_UUID, "letter case; found if not 8-4-4-4-12 digits"),
    TypeRule(
        _CHARACTERS,
        ("boolean",),
        Conversion.TEXT_TO_BOOLEAN,
        "by decision: `true: [Y]` and `false: [N]`; found if neither",
        needs=("true", "false"),
    ),
    TypeRule(_CHARACTERS, ("enum",), Conversion.TEXT_TO_ENUM, "found if no label of it; padding"),
    TypeRule(
        _CHARACTERS,
        _INTEGERS,
        Conversion.TEXT_TO_INTEGER,
        "padding; found if not the number's own digits (007, +7, '' are not) or out of range",
    ),
    TypeRule(_CHARACTERS, ("date",), Conversion.TEXT_TO_DATE, "padding; found if not YYYY-MM-DD"),
    TypeRule(_WHOLE_NUMBERS, _TEXTS, Conversion.INTEGER_TO_TEXT, "found if longer"),
    TypeRule(
        (*_DECIMALS, *_WHOLE_NUMBERS),
        ("double precision", "real"),
        Conversion.NUMBER_TO_FLOAT,
        "found if a float cannot give it back",
    ),
    TypeRule(
        ("float", "real"),
        ("numeric",),
        Conversion.FLOAT_TO_NUMERIC,
        "the decimal that gives the same float back; found if that has more digits",
    ),
    TypeRule(
        ("binary", "varbinary"),
        ("uuid",),
        Conversion.BINARY_TO_UUID,
        "by decision: `byte_order: rfc` or `sqlserver`; found if not 16 bytes",
        needs=("byte_order",),
    ),
    TypeRule(
        ("datetime", "smalldatetime", "datetime2", "date"),
        ("timestamp with time zone",),
        Conversion.LOCAL_TO_INSTANT,
        "by decision: `zone: Europe/Berlin`; a date is its midnight; found if its clocks showed the time "
        "twice or never",
        needs=("zone",),
    ),
    TypeRule(
        ("datetime", "smalldatetime", "datetime2"),
        ("date",),
        Conversion.TIMESTAMP_TO_DATE,
        "found if it has a time of day",
    ),
    TypeRule(
        ("xml",),
        ("json", "jsonb"),
        Conversion.TEXT_TO_JSON_STRING,
        "by decision: `as: string`, the text as one JSON string",
        needs=("as",),
    ),
    TypeRule(
        ("uniqueidentifier",), _TEXTS, Conversion.UUID_TO_TEXT, "upper-case text, as SQL Server shows it"
    ),
    TypeRule(
        ("sql_variant",), _TEXTS, Conversion.TEXT, "the value as text; how many are of which base type: found"
    ),
    TypeRule(("hierarchyid",), _TEXTS, Conversion.TEXT, "the path as text, for example /1/2/"),
    TypeRule(
        ("geography", "geometry"),
        ("bytea",),
        Conversion.BINARY,
        "well-known binary (WKB) with Z and M; the SRID is not kept",
    ),
)

_RULES_BY_PAIR = {
    (source, target): rule for rule in RULES for source in rule.sources for target in rule.targets
}


# Of a float in a numeric without a shape: so many of its 38 digits stand after the point.
UNBOUNDED_FLOAT_DIGITS = 20


_REFUSED_TARGETS: Mapping[str, str] = {
    "money": "how many digits that keeps depends on the server's lc_monetary",
    "time with time zone": "a time of SQL Server has no offset",
}


def explain_missing_rule(source: ColumnType, target: ColumnType) -> str:
    """Say why a pair has no rule."""
    if target.name in _REFUSED_TARGETS:
        return _REFUSED_TARGETS[target.name]
    if look_up_source(source).family is Family.BINARY and target.name in _TEXTS:
        return "nothing says in which encoding the bytes would be a text"
    return "no rule says what that would mean ('blb-migrate types' lists the rules)"


def list_targets(source: ColumnType) -> tuple[str, ...]:
    """List the types that a type of SQL Server goes into, the one that it is created as first."""
    targets = dict.fromkeys(name for rule in RULES if source.name in rule.sources for name in rule.targets)
    return tuple(sorted(targets, key=lambda name: name != look_up_source(source).created_as))


def find_rule(source: ColumnType, target: ColumnType) -> TypeRule | None:
    """Find the rule for a pair of column types, or None when nobody has decided what it would mean."""
    return _RULES_BY_PAIR.get((source.name, target.name))


def choose_conversion(rule: TypeRule, decisions: Iterable[ValueDecision]) -> Conversion:
    """Return the rule's conversion, or the one that a decision about what the values mean asks for."""
    if rule.conversion is Conversion.JSON and any(decision.action == "as" for decision in decisions):
        return Conversion.TEXT_TO_JSON_STRING
    return rule.conversion


TYPE_TABLE_HEADINGS = ("SQL Server", "on the way (Arrow)", "PostgreSQL", "conversion", "what is not carried")


def iterate_type_table() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the rows of the table under TYPE_TABLE_HEADINGS, for the terminal and for
    docs/type-mapping.md."""
    for rule in RULES:
        yield (
            ", ".join(rule.sources),
            ", ".join(rule.arrow_types),
            ", ".join(rule.targets),
            str(rule.conversion),
            rule.loss,
        )


def render_type_table() -> str:
    """Return the table in Markdown, as docs/type-mapping.md holds it."""
    rows = [TYPE_TABLE_HEADINGS, ("---",) * len(TYPE_TABLE_HEADINGS), *iterate_type_table()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
