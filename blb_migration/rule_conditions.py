"""What a rule of the target says about one row, as a tree over the source's columns. No SQL, no I/O.

``plan/rule_translation.py`` reads it out of PostgreSQL's text, ``sqlserver/rule_probes.py`` writes T-SQL.
Both engines must agree about every node: texts are equal only character by character, no text is less than
another, and a condition over a NULL is unknown, which breaks no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from blb_migration.model import Column
from blb_migration.value_decisions import ValueDecision

TermKind = Literal["number", "text", "boolean", "moment"]
Operator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class ColumnTerm:
    """A source column's value after ``decisions``; of a text maybe its length, or what is between blanks."""

    column: Column
    kind: TermKind
    decisions: tuple[ValueDecision, ...] = ()
    form: Literal["value", "length", "trimmed"] = "value"


@dataclass(frozen=True)
class ValueTerm:
    """A constant: digits, a text, ``true`` or ``false``, a date or time in ISO 8601."""

    text: str
    kind: TermKind


Term = ColumnTerm | ValueTerm


@dataclass(frozen=True)
class Comparison:
    """Two terms of one kind."""

    left: Term
    operator: Operator
    right: Term


@dataclass(frozen=True)
class Pattern:
    """A text column that is LIKE ``pattern``, in which only % and _ mean something."""

    term: ColumnTerm
    pattern: str


@dataclass(frozen=True)
class IsNull:
    """A column without a value."""

    term: ColumnTerm


@dataclass(frozen=True)
class Negation:
    """Not so."""

    part: Condition


@dataclass(frozen=True)
class Combination:
    """All of ``parts`` (AND), or one of them at least (OR)."""

    word: Literal["AND", "OR"]
    parts: tuple[Condition, ...]


Condition = Comparison | Pattern | IsNull | Negation | Combination


@dataclass(frozen=True)
class RuleQuestion:
    """Which rows break the rule ``name`` of the target, which wants ``condition`` not to be false."""

    name: str
    condition: Condition
