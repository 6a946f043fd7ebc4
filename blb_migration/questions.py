"""What preflight asks the source about a column's values: which rows would not fit the target.

The plan decides which questions a pair of columns raises (``plan/risks.py``), the source's SQL for
them is in ``sqlserver/probes.py``. Only the vocabulary lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from blb_migration.model import Table
from blb_migration.rule_conditions import Condition
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
    "row_too_wide",  # (bytes, column, width, ...): a row that no page holds
    "row_too_large",  # (bytes, column, ...): a row of more than PostgreSQL holds at once
    "index_entry_too_large",  # (bytes, index, reason, column, width, ...): an entry that no page of it holds
    "json_nul",  # no arguments: an escaped U+0000 in a JSON text
    "json_lone_surrogate",  # no arguments: an escape of half a surrogate pair in one
    "json_number_outside",  # no arguments: a number in one that no numeric holds
    "not_uuid",  # no arguments: a text that is not a GUID's
    "not_a_word",  # (word, ...): a text that is none of them
    "not_sixteen_bytes",  # no arguments
    "has_time_of_day",  # no arguments: a timestamp that is not midnight
    "skipped_local_time",  # (zone,): a time that the zone's clocks never showed
    "repeated_local_time",  # (zone,): a time that they showed twice
    "float_finer_than",  # (digits,): no decimal of so many digits after the point gives the float back
    "float_outside",  # (digits,): more digits before the point
    "inexact_as_float",  # (real or double precision,): a number that this type does not give back
    "real_outside",  # no arguments: a number that is larger than any real
    "not_the_number",  # (integer type,): a text that is not the digits of one of its numbers
    "not_the_date",  # no arguments: a text that is not a date in ISO form
    "instant_shown_twice",  # (zone,): an instant whose local time the zone's clocks showed twice
    "variant_of_type",  # (base type,): a sql_variant that holds a value of this type
]


NUMERIC_WIDTH = 0
"""In place of a column's width in bytes: as many as the number's digits take."""
VARYING_WIDTH = -1
"""Likewise: as many as the value has."""


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


# What a question is about, in words that follow "the source could not say".
_WORDS: dict[QuestionKind, str] = {
    "is_null": "which rows are NULL",
    "decimal_finer_than": "which numbers have more digits after the point than the target keeps",
    "decimal_outside": "which numbers are too large for the target",
    "integer_outside": "which numbers are outside what the target holds",
    "text_longer_than": "which texts are longer than the target holds",
    "fraction_finer_than": "which times are finer than the target keeps",
    "offset_is_lost": "which instants have an offset that is lost",
    "contains_nul": "which texts hold the character U+0000",
    "lone_surrogate": "which texts hold half a surrogate pair",
    "ends_in_space": "which key values end in a space",
    "not_json": "which texts are not JSON",
    "row_too_wide": "which rows are wider than a page of PostgreSQL",
    "row_too_large": "which rows are larger than PostgreSQL takes at once",
    "index_entry_too_large": "which rows have too large an entry in an index of the target",
    "json_nul": "which JSON texts hold an escaped U+0000",
    "json_lone_surrogate": "which JSON texts hold half a surrogate pair as an escape",
    "json_number_outside": "which JSON texts hold numbers beyond numeric",
    "not_uuid": "which texts are no GUIDs",
    "not_a_word": "which texts are none of those that the target knows",
    "not_sixteen_bytes": "which values are not sixteen bytes",
    "has_time_of_day": "which timestamps have a time of day",
    "skipped_local_time": "which times the clocks of the zone never showed",
    "repeated_local_time": "which times the clocks of the zone showed twice",
    "float_finer_than": "which floats are finer than the target keeps",
    "float_outside": "which floats are too large for the target",
    "inexact_as_float": "which numbers a float cannot give back",
    "real_outside": "which numbers are larger than any real",
    "not_the_number": "which texts are not a whole number's own digits",
    "not_the_date": "which texts are not dates in ISO form",
    "instant_shown_twice": "which instants' local times the clocks of the zone showed twice",
    "variant_of_type": "which types the values of a sql_variant have",
}


@dataclass(frozen=True)
class Answer:
    """How many rows meet the question's condition, and the keys of the first few of them."""

    question: Question
    row_count: int
    first_keys: tuple[str, ...] = ()


Becoming = Literal["itself", "guid", "float", "real", "text"]


Letters = Literal["exact", "lower case", "any case", "any case or accent", "unknown"]
"""Which letters are the same in a key of the target: these alone; those of one lower case (citext, lower());
those that ICU compares without case, or without accents too; or what only the target's server knows."""


@dataclass(frozen=True)
class TextEquality:
    """When the target takes two texts of a key for equal. ``pads``: trailing spaces do not count."""

    letters: Letters = "exact"
    pads: bool = False


@dataclass(frozen=True)
class KeyColumn:
    """A source column as a member of a key, compared by its value after ``decisions``.

    ``becomes`` is what the load makes of it where that makes different values equal: a text a GUID, which
    has no letter case, a number the nearest float; or where it makes a text of it that another text refers
    to. ``equality`` is how the target compares it, if it is a text.
    """

    name: str
    decisions: tuple[ValueDecision, ...] = ()
    becomes: Becoming = "itself"
    equality: TextEquality = TextEquality()


@dataclass(frozen=True)
class UniquenessQuestion:
    """Rows whose ``columns`` are equal to another row's, as the target's key ``name`` compares them.

    ``nulls_distinct``: a row with a NULL in the key is equal to none. ``only``: the key is over the rows that
    meet this condition alone.
    """

    name: str
    columns: tuple[KeyColumn, ...]
    nulls_distinct: bool
    only: Condition | None = None


@dataclass(frozen=True)
class ReferenceQuestion:
    """Rows that refer to no row of ``referred_table``, as PostgreSQL compares.

    ``name`` is the foreign key's. ``is_enforced``: the target has it and would refuse such rows; otherwise
    only the source knows of it, or the target's owner has made it what ``left_as`` says.
    ``matches_full``: a key with some NULLs refers to no row either.
    """

    name: str
    columns: tuple[KeyColumn, ...]
    referred_table: Table
    referred_columns: tuple[KeyColumn, ...]
    is_enforced: bool
    left_as: Literal["NOT VALID", "NOT ENFORCED"] | None = None
    matches_full: bool = False


KeyQuestion = UniquenessQuestion | ReferenceQuestion


@dataclass(frozen=True)
class KeyAnswer:
    """How many rows a key question concerns, and the primary keys of the first few of them."""

    question: KeyQuestion
    row_count: int
    first_keys: tuple[str, ...] = ()


def name_question(question: Question | KeyQuestion) -> str:
    """Say what a question is about, in words that follow "the source could not say"."""
    if isinstance(question, Question):
        return _WORDS[question.kind]
    if isinstance(question, ReferenceQuestion):
        return "which rows refer to no row of their parent"
    return "which rows are equal in a unique key"
