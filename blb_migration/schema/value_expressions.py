"""T-SQL expressions that yield a value, node by node: what means the same in PostgreSQL, and nothing else.

Where the two engines would compute another digit, another length or another rounding, the node is
refused. Sources: "Precision, scale, and length", "ISNULL" and "CAST and CONVERT" in SQL Server's
documentation; chapter 9 of PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from blb_migration.postgres.names import quote_identifier, quote_text
from blb_migration.schema.translation import (
    EXACT_NUMBERS,
    NUMBERS,
    Kind,
    Translator,
    Untranslatable,
    Value,
    digits_of,
    kind_of,
)

ValueTranslation = Callable[[Translator, Any], Value]

_MAX_DIGITS = 38  # of SQL Server's decimal; results with more lose digits there by rules of their own
_INT_DIGITS, _BIGINT_DIGITS = 10, 18  # a literal's digits that surely fit int, and bigint
_INTEGER_CASTS = {"SMALLINT": "smallint", "INT": "integer", "BIGINT": "bigint"}
_TEXT_CASTS = ("VARCHAR", "NVARCHAR")
_DATE_PARTS = ("YEAR", "MONTH", "DAY")  # other parts are counted in other ways
_VARCHAR_CAST_LENGTH = 30  # CAST(x AS varchar) without a length


def _column(translator: Translator, node: exp.Column) -> Value:
    pair = None if node.table else translator.scope.find(node.name)
    if pair is None:
        raise Untranslatable(f"it names {node.sql(dialect='tsql')}, which the target table has no column for")
    kind = kind_of(pair.source.type, pair.target.type)
    precision, scale = digits_of(pair.source.type, kind)
    name = quote_identifier(pair.target.name).as_string()
    return Value(name, kind, precision, scale, pair.target.type.length, column=pair)


def _literal(_translator: Translator, node: exp.Literal | exp.National) -> Value:
    text = node.name
    if isinstance(node, exp.National) or node.is_string:
        return Value(quote_text(text), "text", length=len(text), literal=text)
    whole, _, fraction = text.partition(".")
    if not (whole or "0").isdigit() or not (fraction or "0").isdigit():
        return Value(f"{text}::double precision", "float", literal=text)
    if "." in text or len(whole) > _BIGINT_DIGITS:
        return Value(text, "decimal", len(whole + fraction), len(fraction), literal=text)
    return Value(text, "integer", _INT_DIGITS if len(whole) < _INT_DIGITS else 19, literal=text)


def _null(_: Translator, __: exp.Null) -> Value:
    return Value("NULL", "null")


def _paren(translator: Translator, node: exp.Paren) -> Value:
    return translator.value(node.this)


def _negative(translator: Translator, node: exp.Neg) -> Value:
    value = translator.value(node.this)
    if value.kind not in NUMBERS:
        raise Untranslatable(f"a minus before {value.sql}, which is no number")
    literal = None if value.literal is None else f"-{value.literal}"
    # In brackets, since two minuses side by side begin a comment.
    return Value(f"(-{value.sql})", value.kind, value.precision, value.scale, literal=literal)


def _add(translator: Translator, node: exp.Add) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    if left.kind == right.kind == "text":
        return _join(left, right)
    return _arithmetic("+", left, right)


def _subtract(translator: Translator, node: exp.Sub) -> Value:
    return _arithmetic("-", translator.value(node.this), translator.value(node.expression))


def _multiply(translator: Translator, node: exp.Mul) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    kinds = {left.kind, right.kind}
    if "money" in kinds and kinds != {"money", "integer"}:
        raise Untranslatable("money times money or decimal is rounded to four digits on the way")
    return _arithmetic("*", left, right)


def _divide(translator: Translator, node: exp.Div | exp.Mod) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    if left.kind != "integer" or right.kind != "integer":
        raise Untranslatable("a division of other than integers has other digits in SQL Server")
    return _arithmetic("%" if isinstance(node, exp.Mod) else "/", left, right)


def _arithmetic(operator: str, left: Value, right: Value) -> Value:
    sql = f"({left.sql} {operator} {right.sql})"
    kinds = {left.kind, right.kind}
    if kinds <= {"float"} or kinds <= {"real"}:
        return Value(sql, left.kind)
    if not kinds <= set(EXACT_NUMBERS):
        raise Untranslatable(f"{left.kind} {operator} {right.kind} is not what PostgreSQL computes")
    kind: Kind = "money" if "money" in kinds else "decimal" if "decimal" in kinds else "integer"
    if kind == "integer":
        return Value(sql, kind, max(left.precision, right.precision))
    if operator == "*":
        precision, scale = left.precision + right.precision + 1, left.scale + right.scale
    else:
        scale = max(left.scale, right.scale)
        precision = max(left.precision - left.scale, right.precision - right.scale) + scale + 1
    if precision > _MAX_DIGITS and kind == "decimal":
        raise Untranslatable(
            f"{left.sql} {operator} {right.sql} has more than 38 digits, SQL Server cuts some"
        )
    return Value(sql, kind, min(precision, _MAX_DIGITS), scale)


def _join(left: Value, right: Value) -> Value:
    length = None if left.length is None or right.length is None else left.length + right.length
    return Value(f"({left.sql} || {right.sql})", "text", length=length)


def _concat(translator: Translator, node: exp.Concat) -> Value:
    values = [translator.value(part) for part in node.expressions]
    if any(value.kind != "text" for value in values):
        raise Untranslatable("CONCAT of other than texts formats them in its own way")
    joined = Value("''", "text", length=0)
    for value in values:  # NULL counts as '' here, unlike with +
        filled = value if value.literal is not None else _with_sql(value, f"COALESCE({value.sql}, '')")
        joined = filled if joined.sql == "''" else _join(joined, filled)
    return joined


def _coalesce(translator: Translator, node: exp.Coalesce) -> Value:
    values = [translator.value(part) for part in (node.this, *node.expressions)]
    first, *others = values
    others = [as_boolean(other) if first.kind == "boolean" else other for other in others]
    for other in others:
        _refuse_other_type("COALESCE", first, other)
        if node.args.get("is_null") and not _fits(first, other):
            raise Untranslatable(f"ISNULL would cut {other.sql} to the type of {first.sql}")
    sql = f"COALESCE({', '.join(value.sql for value in (first, *others))})"
    return _widest(sql, [first, *others])


def _case(translator: Translator, node: exp.Case) -> Value:
    arms = []
    results = []
    for arm in node.args["ifs"]:
        condition = (
            arm.this if node.this is None else exp.EQ(this=node.this.copy(), expression=arm.this.copy())
        )
        result = translator.value(arm.args["true"])
        arms.append(f"WHEN {translator.condition(condition)} THEN {result.sql}")
        results.append(result)
    default = node.args.get("default")
    if default is not None:
        result = translator.value(default)
        arms.append(f"ELSE {result.sql}")
        results.append(result)
    return _choice(f"CASE {' '.join(arms)} END", results)


def _if(translator: Translator, node: exp.If) -> Value:
    yes, no = translator.value(node.args["true"]), translator.value(node.args["false"])
    return _choice(f"CASE WHEN {translator.condition(node.this)} THEN {yes.sql} ELSE {no.sql} END", [yes, no])


def _choice(sql: str, results: list[Value]) -> Value:
    typed = [result for result in results if result.kind != "null"]
    if not typed:
        raise Untranslatable("every branch is NULL")
    for other in typed[1:]:
        _refuse_other_type("CASE", typed[0], other)
    return _widest(sql, typed)


def _cast(translator: Translator, node: exp.Cast | exp.Convert) -> Value:
    is_convert = isinstance(node, exp.Convert)
    if node.args.get("safe") or node.args.get("style") is not None:
        raise Untranslatable("TRY_CONVERT, and CONVERT with a style, have no counterpart")
    target = node.this if is_convert else node.args["to"]
    value = translator.value(node.expression if is_convert else node.this)
    name, sizes = target.this.name, [part.name for part in target.expressions]
    if name in _INTEGER_CASTS and value.kind in EXACT_NUMBERS:
        inner = value.sql if value.kind == "integer" else f"trunc({value.sql})"
        return Value(f"CAST({inner} AS {_INTEGER_CASTS[name]})", "integer", 19 if name == "BIGINT" else 10)
    if name == "DECIMAL" and value.kind in EXACT_NUMBERS:
        precision, scale = int(sizes[0]) if sizes else 18, int(sizes[1]) if len(sizes) > 1 else 0
        return Value(f"CAST({value.sql} AS numeric({precision},{scale}))", "decimal", precision, scale)
    if name in _TEXT_CASTS and value.kind == "text":
        if sizes and not sizes[0].isdigit():
            return _with_sql(value, f"CAST({value.sql} AS text)", length=None)
        length = int(sizes[0]) if sizes else _VARCHAR_CAST_LENGTH
        return _with_sql(value, f"CAST({value.sql} AS character varying({length}))", length=length)
    if name == "DATE" and value.kind in ("date", "timestamp") and value.column is not None:
        return Value(f"CAST({value.sql} AS date)", "date")
    raise Untranslatable(f"a conversion of {value.kind} to {target.sql(dialect='tsql')}")


def _date_part(translator: Translator, node: exp.Year | exp.Month | exp.Day | exp.Extract) -> Value:
    if isinstance(node, exp.Extract):  # DATEPART, which is how the server stores YEAR() and the like
        part, inner = node.name.upper(), node.expression
    else:
        part = type(node).__name__.upper()
        inner = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    value = translator.value(inner)
    if value.kind not in ("date", "timestamp") or part not in _DATE_PARTS:
        raise Untranslatable(f"DATEPART({part}, {value.sql})")
    return Value(f"CAST(EXTRACT({part} FROM {value.sql}) AS integer)", "integer", _INT_DIGITS)


def _length(translator: Translator, node: exp.Length) -> Value:
    inner = node.this
    if isinstance(inner, exp.Cast) and inner.to.this is exp.DataType.Type.TEXT:  # sqlglot's own
        inner = inner.this
    value = translator.value(inner)
    if value.kind != "text":
        raise Untranslatable("LEN of other than a text")
    return Value(f"char_length(rtrim({value.sql}, ' '))", "integer", _INT_DIGITS)


def as_boolean(value: Value) -> Value:
    """0 and 1 as the boolean that a bit column has become; anything else unchanged."""
    if value.kind == "integer" and value.literal in ("0", "1"):
        return Value("true" if value.literal == "1" else "false", "boolean", literal=value.literal)
    return value


def _refuse_other_type(what: str, first: Value, other: Value) -> None:
    both_exact = first.kind in EXACT_NUMBERS and other.kind in EXACT_NUMBERS
    if first.kind != other.kind and not both_exact and other.kind != "null":
        raise Untranslatable(f"{what} mixes {first.kind} and {other.kind}")


def _fits(first: Value, other: Value) -> bool:
    """Whether ``other`` keeps all its digits and characters in the type of ``first``."""
    if other.kind == "text":
        return first.length is None or (other.length is not None and other.length <= first.length)
    return first.kind not in EXACT_NUMBERS or other.scale <= first.scale


def _widest(sql: str, values: list[Value]) -> Value:
    scale = max(value.scale for value in values)
    whole = max(value.precision - value.scale for value in values)
    lengths = [value.length for value in values]
    length = None if None in lengths else max(length or 0 for length in lengths)
    kinds = {value.kind for value in values}
    kind = values[0].kind if len(kinds) == 1 or "money" not in kinds else "money"
    if kind == "integer" and "decimal" in kinds:
        kind = "decimal"
    return Value(sql, kind, min(whole + scale, _MAX_DIGITS), scale, length)


def _with_sql(value: Value, sql: str, length: int | None = -1) -> Value:
    kept = value.length if length == -1 else length
    return Value(sql, value.kind, value.precision, value.scale, kept)


VALUES: dict[type[exp.Expression], ValueTranslation] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.National: _literal,
    exp.Null: _null,
    exp.Paren: _paren,
    exp.Neg: _negative,
    exp.Add: _add,
    exp.Sub: _subtract,
    exp.Mul: _multiply,
    exp.Div: _divide,
    exp.Mod: _divide,
    exp.Concat: _concat,
    exp.Coalesce: _coalesce,
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
    exp.Convert: _cast,
    exp.Year: _date_part,
    exp.Month: _date_part,
    exp.Day: _date_part,
    exp.Extract: _date_part,
    exp.Length: _length,
}
