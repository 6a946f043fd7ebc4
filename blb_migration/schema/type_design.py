"""The PostgreSQL type that a SQL Server type is created as, where nobody has created it before.

Which pairs of types may be loaded at all is ``types.py``'s business; what is proposed here is
always one of those pairs, chosen so that every value the source's type can hold fits.
"""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.model import ColumnType
from blb_migration.plan.risks import TARGET_FRACTION_DIGITS, fraction_digits
from blb_migration.plan.type_pairs import find_rule
from blb_migration.types import SOURCE_TYPES, Family, decimal_shape, look_up_source

_SYSNAME_LENGTH = 128


def preferred_type(source: ColumnType, *, xml_as_xml: bool = False) -> ColumnType | None:
    """Return the type to create for a source column; None when no rule would let it be loaded.

    Lengths are kept: SQL Server counts bytes or UTF-16 units, PostgreSQL characters, which are never
    more. ``xml_as_xml`` takes PostgreSQL's own xml, which its server must have been built with.
    """
    target = _propose(source, xml_as_xml=xml_as_xml)
    return target if target is not None and find_rule(source, target) is not None else None


def _propose(source: ColumnType, *, xml_as_xml: bool) -> ColumnType | None:
    facts = look_up_source(source)
    if not facts.created_as:
        return None
    if facts.family is Family.DECIMAL:
        precision, scale = decimal_shape(source)
        return ColumnType(facts.created_as, precision=precision, scale=scale)
    if facts.family in (Family.TIME, Family.TIMESTAMP, Family.INSTANT):
        return ColumnType(facts.created_as, scale=min(fraction_digits(source), TARGET_FRACTION_DIGITS))
    if facts.family is Family.TEXT:
        length = _SYSNAME_LENGTH if source.name == "sysname" else source.length
        return ColumnType("text") if length is None else ColumnType(facts.created_as, length=length)
    return ColumnType("xml" if source.name == "xml" and xml_as_xml else facts.created_as)


CREATED_TYPE_HEADINGS = ("SQL Server", "created as")


def iterate_created_types() -> Iterator[tuple[str, str]]:
    """Yield the rows of the table under CREATED_TYPE_HEADINGS, one per SQL Server type, for
    docs/schema.md."""
    for name in SOURCE_TYPES:
        source = _EXAMPLES.get(name, ColumnType(name))
        target = preferred_type(source)
        if target is not None:
            yield _with_letters(str(source)), _with_letters(str(target))
        if name in ("varchar", "nvarchar"):
            yield f"{name}(max)", str(preferred_type(ColumnType(name)))


def render_created_types() -> str:
    """Return the table in Markdown, as docs/schema.md holds it."""
    rows = [CREATED_TYPE_HEADINGS, ("---",) * len(CREATED_TYPE_HEADINGS), *iterate_created_types()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


# Lengths and digits that stand for any in the table; a time of 7 digits shows what is cut.
_EXAMPLES = {
    "decimal": ColumnType("decimal", precision=38, scale=19),
    "numeric": ColumnType("numeric", precision=38, scale=19),
    "time": ColumnType("time", scale=7),
    "datetime2": ColumnType("datetime2", scale=7),
    "datetimeoffset": ColumnType("datetimeoffset", scale=7),
    "char": ColumnType("char", length=99),
    "varchar": ColumnType("varchar", length=99),
    "nchar": ColumnType("nchar", length=99),
    "nvarchar": ColumnType("nvarchar", length=99),
    "binary": ColumnType("binary", length=99),
    "varbinary": ColumnType("varbinary", length=99),
}


def _with_letters(text: str) -> str:
    return text.replace("(99)", "(n)").replace("(38,19)", "(p,s)")
