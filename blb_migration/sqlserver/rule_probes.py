"""The target's rules as T-SQL: how many rows of the source break each, and which. Only reads."""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.model import ColumnType, Table
from blb_migration.rule_conditions import (
    ColumnTerm,
    Combination,
    Comparison,
    Condition,
    IsNull,
    Negation,
    Pattern,
    RuleQuestion,
    Term,
)
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import (
    CODE_UNIT_COLLATION,
    code_point_count,
    decided_expression,
    exact_expression,
    literal,
    text_expression,
)
from blb_migration.sqlserver.names import quote_table
from blb_migration.sqlserver.probes import FIRST_KEYS, read_first_keys

_TEXT = ColumnType("nvarchar")
_BIT = ColumnType("bit")


def answer_rule_questions(
    session: SourceSession, table: Table, questions: Sequence[RuleQuestion]
) -> tuple[tuple[RuleQuestion, int, tuple[str, ...]], ...]:
    """How many rows break each rule, and the first keys of those, from one scan. Raises SourceError."""
    if not questions:
        return ()
    conditions = [f"NOT ({build_rule(question.condition)})" for question in questions]
    counts = ", ".join(f"COUNT_BIG(CASE WHEN {condition} THEN 1 END)" for condition in conditions)
    statement = f"SELECT {counts} FROM {quote_table(table.name)}"
    action = "asking for rows that break the target's rules"
    row = session.read_rows(statement, action=action, subject=str(table.name))[0]
    return tuple(
        (
            question,
            int(count),
            read_first_keys(session, table, condition, FIRST_KEYS) if count else (),
        )
        for question, condition, count in zip(questions, conditions, row, strict=True)
    )


def build_rule(condition: Condition) -> str:
    """Build the T-SQL of a condition."""
    match condition:
        case Combination(word, parts):
            return "(" + f" {word} ".join(map(build_rule, parts)) + ")"
        case Negation(part):
            return f"NOT ({build_rule(part)})"
        case IsNull(term):
            return f"{_build_value(term)} IS NULL"
        case Pattern(term, pattern):
            value = f"{_build_term(term)} COLLATE {CODE_UNIT_COLLATION}"
            return f"{value} LIKE {literal(pattern, _TEXT)}"
        case Comparison(left, operator, right):
            columns = [term for term in (left, right) if isinstance(term, ColumnTerm)]
            sides = [_build_compared(term, columns[0]) for term in (left, right)]
            return f"{sides[0]} {operator} {sides[1]}"


def _build_compared(term: Term, column: ColumnTerm) -> str:
    if isinstance(term, ColumnTerm):
        built = _build_term(term)
    elif term.kind == "moment":
        # datetime is rounded to 1/300 s and starts in 1753: the constant is compared as it is.
        built = literal(term.text.replace(" ", "T"), ColumnType("datetime2"))
    elif term.kind == "number":
        built = term.text
    else:
        built = literal(term.text, _TEXT if term.kind == "text" else _BIT)
    is_text = term.kind == "text" and column.form != "length"
    return exact_expression(built) if is_text else built


def _build_term(term: ColumnTerm) -> str:
    if term.form == "length":
        return f"({code_point_count(term.column, term.decisions)})"
    value = _build_value(term)
    return f"LTRIM(RTRIM({value}))" if term.form == "trimmed" else value


def _build_value(term: ColumnTerm) -> str:
    if term.kind == "text":
        return decided_expression(term.column, term.decisions, text_expression(term.column))
    return decided_expression(term.column, term.decisions)
