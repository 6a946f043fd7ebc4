"""Preflight's questions as T-SQL: which rows hold values that the target could not take.

All questions about a table are answered in one scan; the keys of the first offenders take a second, short
statement per question that found some. The vocabulary is in ``questions.py``. Everything used is
documented for SQL Server 2012 and later, but ISJSON (2016), which ``not_json`` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from blb_migration.model import Column, Table
from blb_migration.questions import Answer, Question, QuestionKind
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import (
    BINARY_TYPES,
    CODE_UNIT_COLLATION,
    code_point_count,
    decided_expression,
    read_expression,
    text_expression,
)
from blb_migration.sqlserver.json_conditions import build_escape_condition, build_not_json_condition
from blb_migration.sqlserver.names import quote_columns, quote_name, quote_table
from blb_migration.sqlserver.page_conditions import build_page_condition
from blb_migration.sqlserver.pair_conditions import (
    build_float_condition,
    build_time_condition,
    build_word_condition,
    moment_expression,
)
from blb_migration.sqlserver.table_metrics import MAX_SELECTED
from blb_migration.types import MOMENTS, name_source_types

FIRST_KEYS = 5
_OF_A_ZONE: tuple[QuestionKind, ...] = ("skipped_local_time", "repeated_local_time", "instant_shown_twice")
_TIMES = frozenset(name_source_types(*MOMENTS))
OUTER_ROW = "asked"  # the alias by which a condition with a subquery refers to the row in question

# Patterns for LIKE that find a leading half without a trailing one after it, or the other way round. They
# are written as UTF-16 bytes, since NCHAR() of half a pair is NULL in databases whose collation knows
# surrogates.
_LONE_SURROGATES = (
    "%[\ud800-\udbff][^\udc00-\udfff]%",
    "%[\ud800-\udbff]",
    "%[^\ud800-\udbff][\udc00-\udfff]%",
    "[\udc00-\udfff]%",
)


def answer_questions(
    session: SourceSession, table: Table, questions: Sequence[Question], *, first_keys: int = FIRST_KEYS
) -> tuple[Answer, ...]:
    """How many rows meet each question's condition, and the first keys of those, in the order asked.

    Keys are values of the primary key, or of what else is unique, as text, joined by commas.
    Raises SourceError when SQL Server cannot answer, ValueError for a question without sense for its column.
    """
    zoned = {question.column for question in questions if question.kind in _OF_A_ZONE}
    years = {name: _read_years(session, table, name) for name in sorted(zoned)}
    conditions = [build_condition(table, question, years.get(question.column)) for question in questions]
    row: list[int] = []
    for start in range(0, len(conditions), MAX_SELECTED):
        some = conditions[start : start + MAX_SELECTED]
        counts = ", ".join(f"COUNT_BIG(CASE WHEN {condition} THEN 1 END)" for condition in some)
        statement = f"SELECT {counts} FROM {quote_table(table.name)}"
        action = "asking for values that do not fit"
        row += session.read_rows(statement, action=action, subject=str(table.name))[0]
    return tuple(
        Answer(
            question,
            int(count),
            read_first_keys(session, table, condition, first_keys) if count and question.wants_keys else (),
        )
        for question, condition, count in zip(questions, conditions, row, strict=True)
    )


def _read_years(session: SourceSession, table: Table, column: str) -> frozenset[int]:
    """Read in which years a column's moments lie; one far off, 9999 say, does not make them many."""
    moment = moment_expression(table.columns_by_name[column])
    statement = f"SELECT DISTINCT YEAR({moment}) FROM {quote_table(table.name)}"
    rows = session.read_rows(statement, action="asking for the years of its times", subject=str(table.name))
    return frozenset(int(year) for (year,) in rows if year is not None)


def read_first_keys(
    session: SourceSession, table: Table, condition: str, limit: int = FIRST_KEYS
) -> tuple[str, ...]:
    """Read the first keys, in the source's order, of the rows that meet a condition; of a table without a key
    none."""
    names = _find_key(table)
    if not names:
        return ()
    key_columns = quote_columns(names)
    selected = ", ".join(_show_expression(table.columns_by_name[name]) for name in names)
    statement = (
        f"SELECT TOP ({limit}) {selected} FROM {quote_table(table.name)} AS {OUTER_ROW} "
        f"WHERE {condition} ORDER BY {key_columns}"
    )
    rows = session.read_rows(
        statement, action="asking for the keys of values that do not fit", subject=str(table.name)
    )
    return tuple(", ".join("NULL" if value is None else str(value) for value in row) for row in rows)


def _find_key(table: Table) -> tuple[str, ...]:
    """Return the columns that name a row: the primary key's, or those of what else is unique in every row."""
    keys = [] if table.primary_key is None else [table.primary_key.columns]
    keys += [key.columns for key in table.unique_keys]
    keys += [
        tuple(column.name for column in index.columns)
        for index in table.indexes
        if index.unique and index.filter is None
    ]
    return next((key for key in keys if key), ())


def _show_expression(column: Column) -> str:
    """Read a key's value as people know it: all digits of a time, bytes in hexadecimal, a bit as 0 or 1.

    Python's times end at the microsecond, so that two keys would look like one.
    """
    name = quote_name(column.name)
    if column.type.name in _TIMES:
        return f"CONVERT(nvarchar(40), {name}, 121)"
    if column.type.name == "bit":
        return f"CAST({name} AS tinyint)"
    if column.type.name in BINARY_TYPES and column.type.name != "image":
        return f"CONVERT(nvarchar(max), CAST({name} AS varbinary(8000)), 1)"
    return read_expression(column)


def build_condition(  # noqa: PLR0911  # one case after the other
    table: Table, question: Question, years: AbstractSet[int] | None = None
) -> str:
    """Build the T-SQL condition that is true for the rows in question.

    ``years`` are those that the moments of its column lie in, None where that is not known.
    """
    column = table.columns_by_name[question.column]
    if question.kind.startswith(("decimal", "integer")):
        return _build_number_condition(column, question)
    if question.kind in ("row_too_wide", "row_too_large", "index_entry_too_large"):
        return build_page_condition(table, question)
    name = quote_name(column.name)
    match question.kind, question.arguments:
        case "is_null", ():
            return f"{name} IS NULL"
        case "fraction_finer_than", (int(digits),):
            return f"DATEPART(nanosecond, {name}) % {10 ** (9 - digits)} <> 0"
        case "offset_is_lost", ():
            return f"DATEPART(tzoffset, {name}) <> 0"
        case "not_sixteen_bytes", ():
            return f"DATALENGTH({name}) <> 16"
        case (
            ("has_time_of_day" | "skipped_local_time" | "repeated_local_time" | "instant_shown_twice"),
            _,
        ):
            return build_time_condition(column, question, years)
        case (("float_finer_than" | "float_outside" | "inexact_as_float" | "real_outside"), _):
            return build_float_condition(column, question)
        case (("not_uuid" | "not_a_word" | "not_the_number" | "not_the_date"), _):
            return build_word_condition(column, question)
        case "variant_of_type", (str(base_type),):
            return f"CAST(SQL_VARIANT_PROPERTY({name}, 'BaseType') AS nvarchar(128)) = N'{base_type}'"
    return _build_text_condition(column, question)


def _build_number_condition(column: Column, question: Question) -> str:
    if column.type.name in ("real", "float"):
        raise ValueError(f"{column.name} is a {column.type}: its decimal digits are not defined")
    value = decided_expression(column, question.after)
    match question.kind, question.arguments:
        case "decimal_finer_than", (int(digits),):
            return f"{value} <> ROUND({value}, {digits}, 1)"  # with 1 it cuts, so it never overflows
        case "decimal_outside", (int(digits),):
            # No number of SQL Server has more than 38 digits, nor can a literal have more.
            return f"({value} >= {10**digits} OR {value} <= -{10**digits})" if digits < 38 else "1 = 0"
        case "integer_outside", (int(minimum), int(maximum)):
            return f"({value} < {minimum} OR {value} > {maximum})"
    raise _unclear(question)


def _build_text_condition(column: Column, question: Question) -> str:
    units = f"{text_expression(column)} COLLATE {CODE_UNIT_COLLATION}"
    match question.kind, question.arguments:
        case "text_longer_than", (int(characters),):
            # Bytes are quick to count and never fewer than characters; but these two have another form's.
            is_other = column.type.name in ("xml", "uniqueidentifier")
            value = text_expression(column) if is_other else read_expression(column)
            count = code_point_count(column, question.after)
            return f"(DATALENGTH({value}) > {characters} AND {count} > {characters})"
        case "ends_in_space", ():
            value = read_expression(column)
            return f"DATALENGTH(RTRIM({value})) <> DATALENGTH({value})"
        case "contains_nul", ():
            return f"CHARINDEX(NCHAR(0) COLLATE {CODE_UNIT_COLLATION}, {units}) > 0"
        case "lone_surrogate", ():
            likes = [f"{units} LIKE {_pattern(pattern)}" for pattern in _LONE_SURROGATES]
            return f"({' OR '.join(likes)})"
        case "not_json", ():
            return build_not_json_condition(
                decided_expression(column, question.after, text_expression(column))
            )
        case (("json_nul" | "json_lone_surrogate" | "json_number_outside"), ()):
            return build_escape_condition(text_expression(column), question.kind)
    raise _unclear(question)


def _unclear(question: Question) -> ValueError:
    return ValueError(f"no question {question.kind} with {len(question.arguments)} arguments")


def _pattern(pattern: str) -> str:
    encoded = pattern.encode("utf-16-le", "surrogatepass")
    return f"CAST(0x{encoded.hex().upper()} AS nvarchar({len(encoded) // 2})) COLLATE {CODE_UNIT_COLLATION}"
