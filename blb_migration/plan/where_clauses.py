"""The ``where`` of a key total: checked against the columns' types, and spelled for both engines.

It is parsed by sqlglot and written again with every name quoted. Only comparisons of one column with
values get through, joined by AND, OR and NOT, and only where both engines mean the same: whatever could
fail or mean something else on the other side is refused with the reason.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from blb_migration.plan.columns import ColumnPlan
from blb_migration.types import SOURCE_TYPES

if TYPE_CHECKING:
    from sqlglot import exp

Columns = Mapping[str, ColumnPlan]
"""The loaded columns by their source name in lower case."""

_NUMBERS = ("tinyint", "smallint", "int", "bigint", "decimal", "numeric", "money", "smallmoney")
_TARGET_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_MOMENTS = {
    "date": ("date", "timestamp without time zone"),
    "time": ("time without time zone",),
    **dict.fromkeys(("datetime", "smalldatetime", "datetime2"), ("timestamp without time zone",)),
    "datetimeoffset": ("timestamp with time zone",),
}
_WHOLE_SECONDS = ("datetime", "smalldatetime")  # they round a finer value, and PostgreSQL does not
_TEXTS = ("char", "varchar", "nchar", "nvarchar", "sysname")
_PLAIN_TEXTS = ("character varying", "text", "citext")
_LARGEST_DIGITS = 38  # of a number that SQL Server takes as decimal, and not as float


class UnclearCondition(Exception):
    """A ``where`` that this module does not dare to translate; the message says why."""


def translate_where(text: str, columns: Columns) -> tuple[str, str]:
    """(source SQL, target SQL) of a condition over source column names. Raises UnclearCondition."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect

    try:
        parsed = Dialect.get_or_raise("tsql").parse_into(exp.Condition, text)
    except (sqlglot.errors.SqlglotError, RecursionError):
        raise UnclearCondition(f"{text!r} is not a condition in SQL") from None
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Expr):
        raise UnclearCondition(f"{text!r} is not one condition in SQL")
    source, target = parsed[0], parsed[0].copy()
    _spell(source, columns, "tsql")
    _spell(target, columns, "postgres")
    return source.sql(dialect="tsql", comments=False), target.sql(dialect="postgres", comments=False)


def _spell(node: exp.Expr, columns: Columns, dialect: str) -> None:
    """Check ``node`` and write it anew in place. Raises UnclearCondition."""
    from sqlglot import exp

    if isinstance(node, exp.And | exp.Or):
        _spell(node.left, columns, dialect)
        _spell(node.right, columns, dialect)
    elif isinstance(node, exp.Not | exp.Paren):
        _spell(node.this, columns, dialect)
    elif isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
        sides = (node.left, node.right) if isinstance(node.left, exp.Column) else (node.right, node.left)
        _spell_comparison(node, sides[0], [sides[1]], columns, dialect)
    elif isinstance(node, exp.In) and node.expressions and not node.args.get("query"):
        _spell_comparison(node, node.this, list(node.expressions), columns, dialect)
    elif isinstance(node, exp.Between):
        _spell_comparison(node, node.this, [node.args["low"], node.args["high"]], columns, dialect)
    elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        _spell_column(node.this, columns, dialect)
    else:
        raise UnclearCondition(
            f"{node.sql(dialect='tsql')!r} is more than a comparison of a column with values"
        )


def _spell_comparison(
    node: exp.Expr,
    column: exp.Expr,
    values: list[exp.Expr],
    columns: Columns,
    dialect: str,
) -> None:
    from sqlglot import exp

    pair = _spell_column(column, columns, dialect)
    is_equality = isinstance(node, exp.EQ | exp.NEQ | exp.In)
    if not is_equality and (pair.source.type.name in _TEXTS or "boolean" in _kinds(pair)):
        raise UnclearCondition(
            f"{pair.source.name} is {pair.source.type}; only =, <> and IN mean the same there"
        )
    for value in values:
        _spell_value(value, pair, dialect)
    if dialect == "postgres" and pair.source.type.name in ("char", "nchar") and _is_plain_text(pair):
        # SQL Server compares without the padding that these values keep at the target
        column.replace(exp.Anonymous(this="rtrim", expressions=[column.copy()]))


def _spell_column(node: exp.Expr, columns: Columns, dialect: str) -> ColumnPlan:
    from sqlglot import exp

    if not isinstance(node, exp.Column):
        raise UnclearCondition(f"{node.sql(dialect='tsql')!r} stands where a column is expected")
    pair = columns.get(node.name.lower())
    if pair is None or node.table:
        raise UnclearCondition(f"no loaded column {node.sql(dialect='tsql')}")
    if pair.decisions:
        raise UnclearCondition(f"the values of {pair.source.name} are changed by a decision")
    name = pair.target.name if dialect == "postgres" else pair.source.name
    node.set("this", exp.to_identifier(name, quoted=True))
    return pair


def _spell_value(node: exp.Expr, pair: ColumnPlan, dialect: str) -> None:
    """Put the value in place as the engine takes it for this column, whatever its settings."""
    from sqlglot import exp

    name, target = pair.source.type.name, pair.target.type.name
    sign = "-" if isinstance(node, exp.Neg) else ""
    literal = node.this if sign else node
    if isinstance(literal, exp.Boolean) and "boolean" in _kinds(pair):
        literal = exp.Literal.number("1" if literal.this else "0")
    is_text = isinstance(literal, exp.National) or (isinstance(literal, exp.Literal) and literal.is_string)
    is_number = isinstance(literal, exp.Literal) and not is_text
    text = f"{sign}{literal.name}"
    value: exp.Expr
    if "boolean" in _kinds(pair):
        if not is_number or text not in ("0", "1"):
            raise UnclearCondition(f"{pair.source.name} is a bit, compared with {node.sql(dialect='tsql')}")
        is_true = text == "1"
        value = exp.Boolean(this=is_true) if dialect == "postgres" and target == "boolean" else literal
    elif name in _NUMBERS and target in _TARGET_NUMBERS and is_number:
        digits = re.fullmatch(r"-?(\d*)\.?(\d*)", text)
        if digits is None or len(digits[1] + digits[2]) > _LARGEST_DIGITS:
            raise UnclearCondition(f"{text} is not a number of at most {_LARGEST_DIGITS} digits")
        value = node
    elif name in _TEXTS and (target in _PLAIN_TEXTS or target == "character") and is_text and not sign:
        is_national = isinstance(literal, exp.National) or (
            SOURCE_TYPES[name].is_unicode and not text.isascii()
        )
        stripped = text.rstrip(" ") if name in ("char", "nchar") else text
        value = exp.Literal.string(stripped if dialect == "postgres" else text)
        if dialect == "tsql" and is_national:
            value = exp.National(this=text)
    elif target in _MOMENTS.get(name, ()) and is_text and not sign:
        value = exp.Literal.string(_spell_moment(text, pair))
    elif name == "uniqueidentifier" and target in ("uuid", *_PLAIN_TEXTS) and is_text and not sign:
        value = exp.Literal.string(_spell_guid(text, pair))
    else:
        raise UnclearCondition(
            f"{pair.source.name} is {pair.source.type} (at the target {pair.target.type}); it cannot be "
            f"compared with {node.sql(dialect='tsql')}"
            + (", write IS NULL" if isinstance(literal, exp.Null) else "")
        )
    node.replace(value.copy())


def _spell_moment(text: str, pair: ColumnPlan) -> str:
    """Return a date or time in the one spelling that no language setting of either server changes."""
    name, scale = pair.source.type.name, pair.source.type.scale
    fraction = re.search(r"\.(\d+)", text)
    digits = 0 if name in _WHOLE_SECONDS else min(6, 7 if scale is None else scale)
    if (fraction and len(fraction[1]) > digits) or (
        name == "smalldatetime" and not re.fullmatch(r"[^:]*|.*:\d\d(:00)?", text)
    ):
        raise UnclearCondition(f"{pair.source.name} is {pair.source.type}, which is coarser than {text!r}")
    try:
        if name == "date":
            return datetime.date.fromisoformat(text).isoformat()
        if name == "time":
            return datetime.time.fromisoformat(text).isoformat()
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UnclearCondition(
            f"{pair.source.name} is {pair.source.type}, and {text!r} is not written as ISO 8601 has it"
        ) from None
    if (moment.tzinfo is not None) != (name == "datetimeoffset"):
        needs = "needs" if name == "datetimeoffset" else "takes no"
        raise UnclearCondition(
            f"{pair.source.name} is {pair.source.type}, which {needs} offset from UTC: {text!r}"
        )
    if moment.tzinfo is not None:
        return moment.astimezone(datetime.UTC).isoformat()
    return moment.isoformat()


def _spell_guid(text: str, pair: ColumnPlan) -> str:
    try:
        guid = str(uuid.UUID(text))
    except ValueError:
        raise UnclearCondition(f"{pair.source.name} is a uniqueidentifier, and {text!r} is none") from None
    return guid.upper()  # as SQL Server prints it, where the target keeps text


def _kinds(pair: ColumnPlan) -> tuple[str, ...]:
    """Return the target's type, and ``boolean`` also for a bit that goes into a number."""
    return (pair.target.type.name, *(("boolean",) if pair.source.type.name == "bit" else ()))


def _is_plain_text(pair: ColumnPlan) -> bool:
    return pair.target.type.name in _PLAIN_TEXTS
