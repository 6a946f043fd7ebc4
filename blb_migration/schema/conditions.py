"""T-SQL conditions, node by node: comparisons, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT.

SQL Server compares texts by collation: letter case often, and trailing blanks always, do not count.
PostgreSQL compares them as they are. So a text of such a column is compared in lower case and without
trailing blanks, unless the scope says otherwise: what the source accepted is accepted here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from blb_migration.postgres.names import quote_text
from blb_migration.schema.translation import NUMBERS, Translator, Untranslatable, Value
from blb_migration.schema.value_expressions import as_boolean

ConditionTranslation = Callable[[Translator, Any], str]

_OPERATORS: dict[type[Any], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}
_ISO_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


def _comparison(translator: Translator, node: exp.Binary) -> str:
    operator = _OPERATORS[type(node)]
    left, right = translator.value(node.this), translator.value(node.expression)
    left_sql, right_sql = _spell_comparable(translator, operator, left, right)
    return f"{left_sql} {operator} {right_sql}"


def _in(translator: Translator, node: exp.In) -> str:
    if not node.expressions:
        raise Untranslatable("IN with a subquery")
    value = translator.value(node.this)
    pairs = [_spell_comparable(translator, "=", value, translator.value(item)) for item in node.expressions]
    return f"{pairs[0][0]} IN ({', '.join(item for _, item in pairs)})"


def _between(translator: Translator, node: exp.Between) -> str:
    value = translator.value(node.this)
    subject, low = _spell_comparable(translator, ">=", value, translator.value(node.args["low"]))
    _, high = _spell_comparable(translator, "<=", value, translator.value(node.args["high"]))
    return f"{subject} BETWEEN {low} AND {high}"


def _is(translator: Translator, node: exp.Is) -> str:
    if not isinstance(node.expression, exp.Null):
        raise Untranslatable("IS with other than NULL")
    return f"{translator.value(node.this).sql} IS NULL"


def _not(translator: Translator, node: exp.Not) -> str:
    inner = node.this
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        return f"{translator.value(inner.this).sql} IS NOT NULL"
    return f"NOT ({translator.condition(inner)})"


def _and_or(translator: Translator, node: exp.And | exp.Or) -> str:
    word = "AND" if isinstance(node, exp.And) else "OR"
    return f"({translator.condition(node.this)} {word} {translator.condition(node.expression)})"


def _paren(translator: Translator, node: exp.Paren) -> str:
    return translator.condition(node.this)


def _like(translator: Translator, node: exp.Like | exp.Escape) -> str:
    escape = ""
    if isinstance(node, exp.Escape):
        node, escape = node.this, node.expression.name
    if not isinstance(node, exp.Like):
        raise Untranslatable("ESCAPE of something else than LIKE")
    value, pattern = translator.value(node.this), translator.value(node.expression)
    if value.kind != "text" or value.column is None or value.column.is_padded:
        raise Untranslatable("LIKE on something else than a varchar column")
    if pattern.literal is None or "[" in pattern.literal:
        raise Untranslatable("LIKE with [ ] or with a pattern that is no literal")
    # SQL Server escapes nothing unless told to; PostgreSQL takes a backslash unless told not to.
    ending = f" ESCAPE {quote_text(escape)}" if escape or "\\" in pattern.literal else ""
    if value.column.target.collation is not None:
        raise Untranslatable("LIKE under a collation that ignores case needs PostgreSQL 18")
    if _needs_folding(translator, value):
        return f"lower({value.sql}) LIKE {quote_text(_lower_ascii(pattern.literal))}{ending}"
    return f"{value.sql} LIKE {pattern.sql}{ending}"


def _spell_comparable(translator: Translator, operator: str, left: Value, right: Value) -> tuple[str, str]:
    """Both sides' SQL for a comparison that means what it meant. Raises Untranslatable."""
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return left.sql, right.sql
    if left.kind == "boolean" or right.kind == "boolean":
        left, right = as_boolean(left), as_boolean(right)
        if left.kind == right.kind == "boolean" and operator in ("=", "<>"):
            return left.sql, right.sql
    elif left.kind == right.kind == "text":
        return _spell_texts(translator, operator, left, right)
    elif left.kind in ("date", "timestamp"):
        if right.kind == left.kind:
            return left.sql, right.sql
        match = _ISO_DATE.fullmatch(right.literal or "") if right.kind == "text" else None
        if match is not None:
            return left.sql, f"{left.kind} '{'-'.join(match.groups())}'"
    elif left.kind == right.kind == "uuid" and operator in ("=", "<>"):
        return left.sql, right.sql
    raise Untranslatable(f"{left.kind} {operator} {right.kind} may compare otherwise in PostgreSQL")


def _spell_texts(translator: Translator, operator: str, left: Value, right: Value) -> tuple[str, str]:
    if operator not in ("=", "<>"):
        raise Untranslatable("texts are ordered by the source's collation, PostgreSQL has another order")
    if translator.scope.exact_text:
        return left.sql, right.sql
    if left.column is None or right.literal is None:
        raise Untranslatable("texts are compared by the source's collation")
    if left.column.target.type.name == "citext" or left.column.target.collation is not None:
        return left.sql, right.sql
    literal = right.literal.rstrip(" ")
    if _needs_folding(translator, left):
        return f"lower(rtrim({left.sql}, ' '))", quote_text(_lower_ascii(literal))
    return f"rtrim({left.sql}, ' ')", quote_text(literal)


def _needs_folding(translator: Translator, value: Value) -> bool:
    pair = value.column
    if translator.scope.exact_text or pair is None or pair.target.type.name == "citext":
        return False
    if "_AI" in (pair.source.collation or "").upper():
        raise Untranslatable(f"the collation of {pair.source.name} ignores accents")
    return pair.ignores_case


def _lower_ascii(text: str) -> str:
    if not text.isascii():
        raise Untranslatable(f"{text!r} has letters whose lower case depends on the server's locale")
    return text.lower()


CONDITIONS: dict[type[exp.Expression], ConditionTranslation] = {
    **dict.fromkeys(_OPERATORS, _comparison),
    exp.In: _in,
    exp.Between: _between,
    exp.Is: _is,
    exp.Not: _not,
    exp.And: _and_or,
    exp.Or: _and_or,
    exp.Paren: _paren,
    exp.Like: _like,
    exp.Escape: _like,
}
