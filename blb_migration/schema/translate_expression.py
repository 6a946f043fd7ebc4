"""Expressions of computed columns, checks and filters: parsed by sqlglot, written again by a whitelist.

A node that no function in ``values`` or ``conditions`` knows is refused, with the reason: an
expression is translated whole and with the same meaning, or listed for a person.
"""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp

from blb_migration.model import ColumnType
from blb_migration.schema.conditions import CONDITIONS
from blb_migration.schema.translation import NUMBERS, Kind, Scope, Untranslatable, Value, kind_of
from blb_migration.schema.value_expressions import VALUES, as_boolean
from blb_migration.sql_negations import spell_out_negations


class ExpressionTranslator:
    """Translates one expression over the columns of ``scope``."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def value(self, node: Any) -> Value:
        """Return a node that yields a value. Raises Untranslatable."""
        translate = VALUES.get(type(node))
        if translate is None:
            raise Untranslatable(f"{node.sql(dialect='tsql')} is not on the list of what means the same")
        return translate(self, node)

    def condition(self, node: Any) -> str:
        """Return a node that is true, false or unknown. Raises Untranslatable."""
        translate = CONDITIONS.get(type(node))
        if translate is None:
            raise Untranslatable(f"{node.sql(dialect='tsql')} is not on the list of what means the same")
        return translate(self, node)


def parse_expression(text: str) -> Any:
    """sqlglot's tree of a T-SQL expression, without the brackets around all of it. Raises Untranslatable."""
    try:
        node: Any = spell_out_negations(sqlglot.parse_one(text, into=exp.Condition, dialect="tsql"))
    except sqlglot.errors.SqlglotError:
        raise Untranslatable("it cannot be parsed") from None
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def translate_condition(text: str, scope: Scope) -> str:
    """Return a CHECK's or a filter's condition in PostgreSQL's SQL. Raises Untranslatable."""
    return ExpressionTranslator(scope).condition(parse_expression(text))


def translate_computed(text: str, scope: Scope, source: ColumnType, target: ColumnType) -> str:
    """Return a computed column's expression for GENERATED ALWAYS AS, yielding the target's type.

    Raises Untranslatable, also where the result would have to be converted to that type by rules
    that differ between the engines.
    """
    node = parse_expression(text)
    value = ExpressionTranslator(scope).value(node)
    named = [scope.find(column.name) for column in node.find_all(exp.Column)]
    if value.kind == "text" and any(pair is not None and pair.is_padded for pair in named):
        raise Untranslatable("it makes a text of a char(n) column, whose trailing blanks PostgreSQL drops")
    wanted: Kind = kind_of(source, target)
    if wanted == "boolean":
        value = as_boolean(value)
    is_number = wanted in NUMBERS and value.kind in NUMBERS
    if value.kind != wanted and not (is_number and wanted not in ("real", "float")):
        raise Untranslatable(f"it yields {value.kind}, the column is {target}")
    return value.sql
