"""Answers of the source about its values become findings: what does not fit, how many, where, what to do."""

from __future__ import annotations

from blb_migration.plan.build import TablePlan
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.findings import Finding, Severity
from blb_migration.plan.types import TARGET_FRACTION_DIGITS
from blb_migration.questions import Answer, QuestionKind

_CORRECT = "correct these rows at the source"
_WIDEN = "widen the target's column, or correct these rows at the source"

_MESSAGES: dict[QuestionKind, tuple[str, str]] = {
    "is_null": ("NULL at the source, the target's {target} is NOT NULL", _CORRECT),
    "decimal_does_not_fit": ("{source} holds values that do not fit {target_type} exactly", _WIDEN),
    "integer_outside": ("{source} holds values outside what {target_type} can hold", _WIDEN),
    "text_longer_than": ("{source} holds texts longer than {target_type}", _WIDEN),
    "fraction_finer_than": (
        "{source} holds fractions of a second finer than {target_type} keeps",
        "give the target's column 6 fractional digits",
    ),
    "contains_nul": ("texts with the character U+0000, which PostgreSQL cannot store", _CORRECT),
    "lone_surrogate": ("texts with half a surrogate pair, which is not valid Unicode", _CORRECT),
    "not_json": ("texts that are not JSON, the target's {target} is {target_type}", _CORRECT),
}


def describe_answer(table: TablePlan, column: ColumnPlan, answer: Answer) -> Finding | None:
    """The finding an answer leads to; None when no row is concerned.

    Fractions past the microsecond are cut off by a declared rule, so they only warn; everything else
    refuses.
    """
    if answer.row_count == 0:
        return None
    kind = answer.question.kind
    message, decision = _MESSAGES[kind]
    is_declared_rule = kind == "fraction_finer_than" and answer.question.arguments == (
        TARGET_FRACTION_DIGITS,
    )
    if is_declared_rule:
        message, decision = "digits past the microsecond are cut off, as PostgreSQL keeps six", ""
    return Finding(
        kind,
        Severity.WARNING if is_declared_rule else Severity.ERROR,
        f"{table.label}.{column.source.name}",
        message.format(source=column.source.type, target=column.target.name, target_type=column.target.type),
        decision or None,
        row_count=answer.row_count,
        first_keys=answer.first_keys,
    )
