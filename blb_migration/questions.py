"""What preflight asks the source about a column's values: which rows would not fit the target.

The plan decides which questions a pair of columns raises (``plan/types.py``), the source's SQL for
them is in ``sqlserver/probes.py``. Only the vocabulary lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

QuestionKind = Literal[
    "is_null",  # no arguments: rows whose value is NULL
    "decimal_does_not_fit",  # (precision, scale): more digits before or after the point than that
    "integer_outside",  # (minimum, maximum), both inclusive and allowed
    "text_longer_than",  # (characters,)
    "fraction_finer_than",  # (digits,): a date or time with more fractional second digits
    "contains_nul",  # no arguments: U+0000 inside a text
    "lone_surrogate",  # no arguments: UTF-16 that is not valid Unicode
    "not_json",  # no arguments: a text that is not JSON
]


@dataclass(frozen=True)
class Question:
    """One condition on one source column; the answer is the number of rows that meet it."""

    column: str
    kind: QuestionKind
    arguments: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """How many rows meet the question's condition, and the keys of the first few of them."""

    question: Question
    row_count: int
    first_keys: tuple[str, ...] = ()
