"""A CHECK of the target, as PostgreSQL prints it, becomes a condition over the source's columns, or nothing.

Only what means the same in both engines gets through (``rule_conditions``): comparisons of columns with
constants and with each other, lists of constants, lengths, patterns, NULL, AND, OR, NOT. Everything else is
said to be not asked; a dry run tries it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

from blb_migration.plan.columns import ColumnPlan
from blb_migration.rule_conditions import (
    ColumnTerm,
    Combination,
    Comparison,
    Condition,
    IsNull,
    Negation,
    Operator,
    Pattern,
    Term,
    TermKind,
    ValueTerm,
)
from blb_migration.sql_negations import spell_out_negations
from blb_migration.types import EXACT_NUMBERS, SIZED_TEXTS, Family, name_source_types, name_target_types

DOMAIN_VALUE = "value"
_SOURCE_NUMBERS = frozenset(name_source_types(*EXACT_NUMBERS))
_TARGET_NUMBERS = frozenset(name_target_types(*EXACT_NUMBERS))
_MOMENTS = {"date": "date", **dict.fromkeys(("datetime", "datetime2"), "timestamp without time zone")}
_INTEGERS = frozenset(name_target_types(Family.INTEGER))
_CASTS_THAT_KEEP: dict[TermKind, frozenset[str]] = {
    "text": frozenset({"TEXT", "VARCHAR"}),
    "number": frozenset({"DECIMAL"}),
}
_NUMBER = re.compile(r"-?\d{1,38}(?:\.\d{1,38})?")
_MOST_DIGITS = 38


class NotTranslatable(Exception):
    """A rule that the source cannot be asked about."""


def translate_rule(text: str, columns: Mapping[str, ColumnPlan]) -> Condition | None:
    """Return the condition that ``text`` is, over ``columns`` by their target names; None if it is another.

    A domain's CHECK calls its column VALUE: give it under ``DOMAIN_VALUE``.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect

    try:
        parsed = Dialect.get_or_raise("postgres").parse_into(exp.Condition, text)
        if len(parsed) != 1 or parsed[0] is None:
            return None
        return _read_condition(spell_out_negations(parsed[0]), columns)
    except (sqlglot.errors.SqlglotError, RecursionError, NotTranslatable):
        return None


def _read_condition(node: Any, columns: Mapping[str, ColumnPlan]) -> Condition:
    from sqlglot import exp

    node = _unwrap(node)
    if isinstance(node, exp.And | exp.Or):
        parts = tuple(_read_condition(part, columns) for part in (node.left, node.right))
        return Combination("AND" if isinstance(node, exp.And) else "OR", parts)
    if isinstance(node, exp.Not):
        return Negation(_read_condition(node.this, columns))
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return IsNull(_read_column(node.this, columns))
    if isinstance(node, exp.Column):
        return Comparison(_read_column(node, columns, "boolean"), "=", ValueTerm("true", "boolean"))
    return _read_pattern(node, columns) if isinstance(node, exp.Like) else _read_comparison(node, columns)


def _read_comparison(node: Any, columns: Mapping[str, ColumnPlan]) -> Condition:
    from sqlglot import exp

    operator = _find_operator(node)
    quantified = _unwrap(node.expression, [])
    if isinstance(quantified, exp.Any) and operator == "=":
        return _read_list(node.this, operator, quantified.this, columns)
    if isinstance(quantified, exp.Anonymous) and quantified.name.upper() == "ALL":
        if operator != "<>" or len(quantified.expressions) != 1:
            raise NotTranslatable
        return _read_list(node.this, operator, quantified.expressions[0], columns)
    return _compare(node.this, operator, node.expression, columns)


def _find_operator(node: Any) -> Operator:
    from sqlglot import exp

    operators: dict[Any, Operator] = {
        exp.EQ: "=",
        exp.NEQ: "<>",
        exp.LT: "<",
        exp.LTE: "<=",
        exp.GT: ">",
        exp.GTE: ">=",
    }
    if type(node) not in operators:
        raise NotTranslatable
    return operators[type(node)]


def _read_list(left: Any, operator: Operator, array: Any, columns: Mapping[str, ColumnPlan]) -> Condition:
    """``= ANY (ARRAY[…])`` is IN, ``<> ALL (ARRAY[…])`` is NOT IN; PostgreSQL prints them so."""
    from sqlglot import exp

    items = _unwrap(array)
    if not isinstance(items, exp.Array) or operator not in ("=", "<>") or not items.expressions:
        raise NotTranslatable
    parts = tuple(_compare(left, operator, item, columns) for item in items.expressions)
    return Combination("OR" if operator == "=" else "AND", parts)


def _compare(left: Any, operator: Operator, right: Any, columns: Mapping[str, ColumnPlan]) -> Condition:
    terms: list[Term] = []
    kind: TermKind | None = None
    for node in (left, right):
        if not _is_constant(node):
            term = _read_column(node, columns)
            kind = "number" if term.form == "length" else term.kind
    if kind is None:
        raise NotTranslatable
    for node in (left, right):
        term_: Term = _read_constant(node, kind) if _is_constant(node) else _read_column(node, columns)
        own: TermKind = "number" if isinstance(term_, ColumnTerm) and term_.form == "length" else term_.kind
        if own != kind:
            raise NotTranslatable
        terms.append(term_)
    if kind in ("text", "boolean") and operator not in ("=", "<>"):
        raise NotTranslatable  # no two engines order texts alike
    columns_compared = [term for term in terms if isinstance(term, ColumnTerm)]
    if kind == "moment" and len({term.column.type.name for term in columns_compared}) > 1:
        raise NotTranslatable
    return Comparison(terms[0], operator, terms[1])


def _read_pattern(node: Any, columns: Mapping[str, ColumnPlan]) -> Condition:
    term = _read_column(node.this, columns, "text")
    pattern = _read_constant(node.expression, "text").text
    if re.search(r"[\[\]\\]", pattern):
        raise NotTranslatable
    return Pattern(term, pattern)


def _read_column(node: Any, columns: Mapping[str, ColumnPlan], kind: TermKind | None = None) -> ColumnTerm:
    from sqlglot import exp

    casts: list[str] = []
    node = _unwrap(node, casts)
    form: Any = "value"
    if isinstance(node, exp.Length):
        if casts:
            raise NotTranslatable
        form, node = "length", _unwrap(node.this, casts)
    elif isinstance(node, exp.Trim) and node.expression is None:
        if node.args.get("position") not in (None, "BOTH"):
            raise NotTranslatable
        form, node = "trimmed", _unwrap(node.this, casts)
    if not isinstance(node, exp.Column) or node.table:
        raise NotTranslatable
    name = node.name if node.this.quoted else node.name.lower()
    pair = columns.get(name)
    if pair is None:
        raise NotTranslatable
    found = _find_kind(pair)
    if (kind is not None and found != kind) or (form != "value" and found != "text"):
        raise NotTranslatable
    keeps = _CASTS_THAT_KEEP.get(found, frozenset())
    if pair.target.type.name in _INTEGERS:
        keeps |= {"INT", "BIGINT", "SMALLINT"}  # of a domain's column to its own type
    if not set(casts) <= keeps:
        raise NotTranslatable
    return ColumnTerm(pair.source, found, pair.decisions, form)


def _find_kind(pair: ColumnPlan) -> TermKind:
    source, target = pair.source.type.name, pair.target.type.name
    if source == "bit" and target == "boolean":
        return "boolean"
    if source in _SOURCE_NUMBERS and source != "bit" and target in _TARGET_NUMBERS:
        return "number"
    if source in SIZED_TEXTS and target in ("character varying", "text") and pair.target.collation is None:
        return "text"
    if source in _MOMENTS and _MOMENTS[source] == target:
        return "moment"
    raise NotTranslatable


def _is_constant(node: Any) -> bool:
    from sqlglot import exp

    node = _unwrap(node, [])
    if isinstance(node, exp.Neg):
        node = _unwrap(node.this, [])
    return isinstance(node, exp.Literal | exp.Boolean)


def _read_constant(node: Any, kind: TermKind) -> ValueTerm:
    from sqlglot import exp

    node = _unwrap(node)
    sign = ""
    if isinstance(node, exp.Neg):
        sign, node = "-", _unwrap(node.this)
    if isinstance(node, exp.Boolean):
        text = "true" if node.this else "false"
    elif isinstance(node, exp.Literal):
        text = sign + node.name
    else:
        raise NotTranslatable
    if not _READERS[kind](text) or (kind == "text" and not node.is_string):
        raise NotTranslatable
    return ValueTerm(text, kind)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and sum(map(str.isdigit, text)) <= _MOST_DIGITS


def _is_moment(text: str) -> bool:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return moment.tzinfo is None and moment.microsecond == 0  # SQL Server's datetime has steps of 1/300 s


_READERS: dict[TermKind, Callable[[str], bool]] = {
    "number": _is_number,
    "text": lambda text: "\0" not in text,
    "boolean": lambda text: text in ("true", "false"),
    "moment": _is_moment,
}


def _unwrap(node: Any, casts: list[str] | None = None) -> Any:
    """Take away parentheses, and casts that PostgreSQL writes to say what type something has.

    What an expression that is no constant was cast to is added to ``casts``: whether that changes a value
    depends on its column. Raises NotTranslatable for a cast that changes a constant.
    """
    from sqlglot import exp

    while isinstance(node, exp.Paren | exp.Cast):
        if isinstance(node, exp.Cast):
            inner = _unwrap(node.this)
            if isinstance(inner, exp.Literal | exp.Boolean | exp.Neg):
                _refuse_changing_cast(node.to, inner)
            elif not isinstance(inner, exp.Array):
                if casts is None or node.to.expressions:
                    raise NotTranslatable
                casts.append(_name_type(node.to))
        node = node.this
    return node


def _name_type(to: Any) -> str:
    """Return the parser's name of a type; of those that it does not know by itself, nothing."""
    return str(getattr(to.this, "name", ""))


def _refuse_changing_cast(to: Any, constant: Any) -> None:
    from sqlglot import exp

    text = (constant.this if isinstance(constant, exp.Neg) else constant).name
    name = _name_type(to)
    keeps = {
        "TEXT": True,
        "VARCHAR": True,
        "DECIMAL": True,
        "TIMESTAMP": True,
        "DATE": len(text) == len("2000-01-01"),
        **dict.fromkeys(("INT", "BIGINT", "SMALLINT"), "." not in text),
    }
    if to.expressions or not keeps.get(name, False):
        raise NotTranslatable
