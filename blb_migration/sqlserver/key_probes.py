"""Preflight's questions about keys as T-SQL: rows the target would take for duplicates, or for orphans.

PostgreSQL usually compares texts character by character; SQL Server often neither by case nor by the
spaces at the end. So texts are compared here as the target's column does. All questions about a table are
answered by one statement that scans it once; the keys of the first offenders take one more per question that
found some.
"""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.model import Table
from blb_migration.questions import KeyAnswer, KeyColumn, KeyQuestion, Letters, ReferenceQuestion
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import (
    READ_AS_TEXT,
    decided_expression,
    equal_expression,
    read_as_text,
)
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.sqlserver.probes import FIRST_KEYS, OUTER_ROW, read_first_keys
from blb_migration.sqlserver.rule_probes import build_rule
from blb_migration.types import SIZED_TEXTS

_PARENT, _OTHER = "parent", "other"

# What the name of a collation has that takes for equal whatever the target does.
_INSENSITIVE_NAMES: dict[Letters, str] = {
    "exact": "",
    "lower case": "_CI_",
    "any case": "_CI_",
    "any case or accent": "_CI_AI",
    "unknown": "",
}


def answer_key_questions(
    session: SourceSession, table: Table, questions: Sequence[KeyQuestion], *, first_keys: int = FIRST_KEYS
) -> tuple[KeyAnswer, ...]:
    """How many rows each question concerns, in the order asked. Raises SourceError."""
    if not questions:
        return ()
    counts = ", ".join(f"COUNT_BIG(flagged.{_flag(number)})" for number in range(len(questions)))
    statement = f"SELECT {counts} FROM ({_build_flags(table, questions)}) AS flagged"
    row = session.read_rows(statement, action="asking for values of keys", subject=str(table.name))[0]
    return tuple(
        KeyAnswer(
            question,
            int(count),
            read_first_keys(session, table, build_key_condition(table, question), first_keys)
            if count
            else (),
        )
        for question, count in zip(questions, row, strict=True)
    )


def build_key_condition(table: Table, question: KeyQuestion) -> str:
    """Build what is true for the rows in question, under the alias OUTER_ROW; for a WHERE."""
    if isinstance(question, ReferenceQuestion):
        return _build_orphan_condition(table, question)
    own = [_compared(table, column, OUTER_ROW) for column in question.columns]
    others = [_compared(table, column, _OTHER) for column in question.columns]
    matches = " AND ".join(
        f"{a} = {b}" if question.nulls_distinct else f"({a} = {b} OR ({a} IS NULL AND {b} IS NULL))"
        for a, b in zip(own, others, strict=True)
    )
    only = "" if question.only is None else f"{build_rule(question.only)} AND "
    return f"{only}(SELECT COUNT_BIG(*) FROM {quote_table(table.name)} AS {_OTHER} WHERE {only}{matches}) > 1"


def _build_flags(table: Table, questions: Sequence[KeyQuestion]) -> str:
    """One row per row of the table, with a 1 for each question that concerns it.

    Two levels, since values are compared over all rows here, and counted above: an metric must not hold
    a subquery or a window.
    """
    values, flags = [], []
    for number, question in enumerate(questions):
        if isinstance(question, ReferenceQuestion):
            condition = _build_orphan_condition(table, question)
            values.append(f"CASE WHEN {condition} THEN 1 END AS {_flag(number)}")
            flags.append(f"valued.{_flag(number)}")
            continue
        names = [quote_name(f"value {number} {place}") for place in range(len(question.columns))]
        values += [
            f"{_compared(table, column, OUTER_ROW)} AS {name}"
            for name, column in zip(names, question.columns, strict=True)
        ]
        compared = [f"valued.{name}" for name in names]
        parts = [f"{value} IS NOT NULL" for value in compared] if question.nulls_distinct else []
        if question.only is not None:
            values.append(f"CASE WHEN {build_rule(question.only)} THEN 1 END AS {_within(number)}")
            compared.append(f"valued.{_within(number)}")
            parts.append(f"{compared[-1]} IS NOT NULL")
        parts.append(f"COUNT_BIG(*) OVER (PARTITION BY {', '.join(compared)}) > 1")
        flags.append(f"CASE WHEN {' AND '.join(parts)} THEN 1 END AS {_flag(number)}")
    inner = f"SELECT {', '.join(values)} FROM {quote_table(table.name)} AS {OUTER_ROW}"
    return f"SELECT {', '.join(flags)} FROM ({inner}) AS valued"


def _flag(number: int) -> str:
    return quote_name(f"flag {number}")


def _within(number: int) -> str:
    return quote_name(f"within {number}")


def _build_orphan_condition(table: Table, question: ReferenceQuestion) -> str:
    """As foreign keys do, a NULL refers to nothing; where the target matches FULL, NULLs alone do so."""
    parent = question.referred_table
    pairs = list(zip(question.columns, question.referred_columns, strict=True))
    filled = [f"{_value(table, column, OUTER_ROW)} IS NOT NULL" for column, _ in pairs]
    # The plain comparison finds the few candidates, by an index where there is one; the exact one judges.
    matches = [
        f"{_value(parent, referred, _PARENT)} = {_value(table, column, OUTER_ROW)}"
        for column, referred in pairs
        if not _is_padded(table, column) or _finds_candidates(table, column, parent, referred)
    ]
    matches += [
        f"{_compared(parent, referred, _PARENT)} = {_compared(table, column, OUTER_ROW)}"
        for column, referred in pairs
        if _is_padded(table, column)
    ]
    is_filled = f"({' OR '.join(filled)})" if question.matches_full else " AND ".join(filled)
    return (
        f"{is_filled} AND NOT EXISTS "
        f"(SELECT 1 FROM {quote_table(parent.name)} AS {_PARENT} WHERE {' AND '.join(matches)})"
    )


def _finds_candidates(table: Table, column: KeyColumn, parent: Table, referred: KeyColumn) -> bool:
    """Whether the source can compare both, by one collation, which takes for equal what the target does."""
    own = (table.columns_by_name[column.name].collation, parent.columns_by_name[referred.name].collation)
    collations = {collation.upper() for collation in own if collation is not None}
    insensitive = _INSENSITIVE_NAMES[referred.equality.letters]
    return len(collations) <= 1 and all(insensitive in collation for collation in collations)


def _is_padded(table: Table, column: KeyColumn) -> bool:
    """Whether the source compares it as a text, and so otherwise than the target."""
    name = table.columns_by_name[column.name].type.name
    is_text = name in SIZED_TEXTS or name in READ_AS_TEXT
    return column.becomes == "text" or (column.becomes == "itself" and is_text)


def _value(table: Table, column: KeyColumn, alias: str) -> str:
    own = table.columns_by_name[column.name]
    plain = f"{alias}.{quote_name(column.name)}"
    value = decided_expression(own, column.decisions, read_as_text(own, plain))
    if column.becomes == "guid":
        return f"TRY_CAST({value} AS uniqueidentifier)"  # what is none is a finding of its own
    if column.becomes == "text":
        return f"CAST({value} AS nvarchar(40))"
    if column.becomes == "real":
        return f"TRY_CAST({value} AS real)"  # what is too large for one is a finding of its own
    return f"CAST({value} AS float)" if column.becomes == "float" else value


def _compared(table: Table, column: KeyColumn, alias: str) -> str:
    value = _value(table, column, alias)
    return equal_expression(value, column.equality) if _is_padded(table, column) else value
