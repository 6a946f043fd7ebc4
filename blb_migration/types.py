"""The types: which SQL Server type may land in which PostgreSQL type, how, and at what loss.

One table, ``RULES``: ``blb-migrate types`` prints it, docs/type-mapping.md holds it, a test keeps them
the same. A pair of columns without a rule is a finding, never a guess. A rule names the conversion, which
``feed/convert.py`` carries out on Arrow batches; what must be asked of the source because the target
could hold less than the source does is in ``risks.py``.

Sources: SQL Server's "Data types (Transact-SQL)", PostgreSQL's chapter 8 "Data Types"; the Arrow types are
those of mssql-python 1.16, read and tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from blb_migration.model import ColumnType


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

    @property
    def arrow_types(self) -> tuple[str, ...]:
        """The Arrow types on the way, each once, in the order of the sources."""
        return tuple(dict.fromkeys(ARROW_TYPES[source] for source in self.sources))


# The Arrow type in which each SQL Server type is read. This is every type a column can have: sysname and
# user-defined alias types are read as their base type, timestamp is rowversion, cursor and table are no
# types of columns.
ARROW_TYPES = {
    "bit": "bool",
    "tinyint": "uint8",
    "smallint": "int16",
    "int": "int32",
    "bigint": "int64",
    "decimal": "decimal128(p, s)",
    "numeric": "decimal128(p, s)",
    "money": "decimal128(19, 4)",
    "smallmoney": "decimal128(10, 4)",
    "real": "float",
    "float": "double",
    "char": "large_string",
    "varchar": "large_string",
    "text": "large_string",
    "nchar": "large_string",
    "nvarchar": "large_string",
    "ntext": "large_string",
    "sysname": "large_string",
    "xml": "large_string",
    "json": "large_string",
    "vector": "large_string",
    "sql_variant": "large_string",
    "hierarchyid": "large_string",
    "uniqueidentifier": "large_string",
    "binary": "large_binary",
    "varbinary": "large_binary",
    "image": "large_binary",
    "rowversion": "large_binary",
    "geography": "large_binary",
    "geometry": "large_binary",
    "date": "date32",
    "time": "time64[ns]",
    "datetime": "timestamp[us]",
    "smalldatetime": "timestamp[us]",
    "datetime2": "timestamp[us]",
    "datetimeoffset": "timestamp[us, UTC]",
}

_WHOLE_NUMBERS = ("tinyint", "smallint", "int", "bigint")
_INTEGERS = ("smallint", "integer", "bigint")
_DECIMALS = ("decimal", "numeric", "money", "smallmoney")
UNICODE_TYPES = ("nchar", "nvarchar", "ntext", "sysname")
NARROW_TYPES = ("char", "varchar", "text")
_CHARACTERS = (*UNICODE_TYPES, *NARROW_TYPES)
_TEXTS = ("character varying", "character", "text", "citext")

_SEVENTH_DIGIT = "digits past the sixth are cut off, counted; fewer where the target keeps fewer: found"

RULES: tuple[TypeRule, ...] = (
    TypeRule(("bit",), ("boolean",), Conversion.BOOLEAN),
    TypeRule(("bit",), _INTEGERS, Conversion.BOOLEAN_TO_INTEGER),
    TypeRule(_WHOLE_NUMBERS, _INTEGERS, Conversion.INTEGER, "found if out of range"),
    TypeRule(_WHOLE_NUMBERS, ("boolean",), Conversion.INTEGER_TO_BOOLEAN, "found if other than 0 and 1"),
    TypeRule(_WHOLE_NUMBERS, ("numeric",), Conversion.INTEGER_TO_NUMERIC, "found if it does not fit"),
    TypeRule(_DECIMALS, ("numeric",), Conversion.NUMERIC, "found if it does not fit"),
    TypeRule(_DECIMALS, _INTEGERS, Conversion.NUMERIC_TO_INTEGER, "found if it does not fit"),
    TypeRule(("real",), ("real", "double precision"), Conversion.FLOAT),
    TypeRule(("float",), ("double precision",), Conversion.FLOAT),
    TypeRule(_CHARACTERS, _TEXTS, Conversion.TEXT, "found if longer, with U+0000 or half a surrogate pair"),
    TypeRule(_CHARACTERS, ("json", "jsonb"), Conversion.JSON, "found if not JSON; jsonb keeps no spelling"),
    TypeRule(("json",), ("json", "jsonb"), Conversion.JSON, "as SQL Server prints it"),
    TypeRule(("json", "vector"), _TEXTS, Conversion.TEXT, "as SQL Server prints it"),
    TypeRule(("xml",), ("xml", *_TEXTS), Conversion.TEXT, "the XML as SQL Server serializes it"),
    TypeRule(("binary", "varbinary", "image"), ("bytea",), Conversion.BINARY),
    TypeRule(("rowversion",), ("bytea",), Conversion.BINARY, "the bytes; nothing counts them up, reported"),
    TypeRule(("date",), ("date",), Conversion.DATE),
    TypeRule(("date",), ("timestamp without time zone",), Conversion.DATE_TO_TIMESTAMP),
    TypeRule(("time",), ("time without time zone",), Conversion.TIME, _SEVENTH_DIGIT),
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
    TypeRule(("uniqueidentifier",), ("uuid",), Conversion.UUID),
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

_FIXED_DECIMALS = {
    "money": (19, 4),
    "smallmoney": (10, 4),
    "tinyint": (3, 0),
    "smallint": (5, 0),
    "int": (10, 0),
    "bigint": (19, 0),
}


def find_rule(source: ColumnType, target: ColumnType) -> TypeRule | None:
    """The rule for a pair of column types, or None when nobody has decided what it would mean."""
    return _RULES_BY_PAIR.get((source.name, target.name))


def decimal_shape(source: ColumnType) -> tuple[int, int]:
    """(precision, scale) of an exact number type, in decimal digits."""
    if source.name in _FIXED_DECIMALS:
        return _FIXED_DECIMALS[source.name]
    return source.precision or 18, source.scale or 0


TYPE_TABLE_HEADINGS = ("SQL Server", "on the way (Arrow)", "PostgreSQL", "conversion", "what is not carried")


def iterate_type_table() -> Iterator[tuple[str, str, str, str, str]]:
    """The rows of the table under TYPE_TABLE_HEADINGS, for the terminal and for docs/type-mapping.md."""
    for rule in RULES:
        yield (
            ", ".join(rule.sources),
            ", ".join(rule.arrow_types),
            ", ".join(rule.targets),
            str(rule.conversion),
            rule.loss,
        )


def render_type_table() -> str:
    """The table in Markdown, as docs/type-mapping.md holds it."""
    rows = [TYPE_TABLE_HEADINGS, ("---",) * len(TYPE_TABLE_HEADINGS), *iterate_type_table()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
