"""What preflight asks the source about a column's values: which rows would not fit the target.

The plan decides which questions a pair of columns raises (``plan/risks.py``), the source's SQL for
them is in ``sqlserver/probes.py``. Only the vocabulary lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from blb_migration.model import Table
from blb_migration.value_decisions import ValueDecision

QuestionKind = Literal[
    "is_null",  # no arguments: rows whose value is NULL
    "decimal_finer_than",  # (digits,): more digits after the point
    "decimal_outside",  # (digits,): more digits before the point
    "integer_outside",  # (minimum, maximum), both inclusive and allowed
    "text_longer_than",  # (characters,)
    "fraction_finer_than",  # (digits,): a date or time with more fractional second digits
    "offset_is_lost",  # no arguments: an instant with an offset other than +00:00
    "contains_nul",  # no arguments: U+0000 inside a text
    "lone_surrogate",  # no arguments: UTF-16 that is not valid Unicode
    "ends_in_space",  # no arguments: a text whose last character is a space
    "not_json",  # no arguments: a text that is not JSON
    "variant_of_type",  # (base type,): a sql_variant that holds a value of this type
]


@dataclass(frozen=True)
class Question:
    """One condition on one source column; the answer is the number of rows that meet it.

    It is asked of the values as the decisions in ``after`` leave them. ``wants_keys`` says whether the
    keys of the first such rows are worth another statement.
    """

    column: str
    kind: QuestionKind
    arguments: tuple[int | str, ...] = ()
    after: tuple[ValueDecision, ...] = ()
    wants_keys: bool = True


@dataclass(frozen=True)
class Answer:
    """How many rows meet the question's condition, and the keys of the first few of them."""

    question: Question
    row_count: int
    first_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyColumn:
    """A source column as a member of a key, compared by its value after ``decisions``."""

    name: str
    decisions: tuple[ValueDecision, ...] = ()


@dataclass(frozen=True)
class UniquenessQuestion:
    """Rows whose ``columns`` are equal to another row's, as the target's key ``name`` compares them.

    ``nulls_distinct``: a row with a NULL in the key is equal to none. ``ignores_case``: the target's column
    does (citext).
    """

    name: str
    columns: tuple[KeyColumn, ...]
    nulls_distinct: bool
    ignores_case: bool = False


@dataclass(frozen=True)
class ReferenceQuestion:
    """Rows that refer to no row of ``referred_table``, as PostgreSQL compares: texts to the last space.

    ``name`` is the foreign key's. ``is_enforced``: the target has it and would refuse such rows; otherwise
    only the source knows of it.
    """

    name: str
    columns: tuple[KeyColumn, ...]
    referred_table: Table
    referred_columns: tuple[KeyColumn, ...]
    is_enforced: bool


KeyQuestion = UniquenessQuestion | ReferenceQuestion


@dataclass(frozen=True)
class KeyAnswer:
    """How many rows a key question concerns, and the primary keys of the first few of them."""

    question: KeyQuestion
    row_count: int
    first_keys: tuple[str, ...] = ()
