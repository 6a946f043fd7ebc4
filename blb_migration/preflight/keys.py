"""Answers of the source about its keys become findings: duplicates and orphans in the target's eyes."""

from __future__ import annotations

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.table_plans import TablePlan
from blb_migration.questions import KeyAnswer, KeyQuestion, Letters, ReferenceQuestion
from blb_migration.types import Family, name_source_types

_TEXTS = frozenset(name_source_types(Family.TEXT))
_ASIDES: dict[Letters, str] = {
    "lower case": "letter case",
    "any case": "letter case",
    "any case or accent": "letter case, accents",
}


def describe_key_answer(table: TablePlan, answer: KeyAnswer) -> Finding | None:
    """Return the finding an answer leads to; None when no row is concerned."""
    if answer.row_count == 0:
        return None
    question = answer.question
    columns = ", ".join(column.name for column in question.columns)
    if isinstance(question, ReferenceQuestion):
        return _describe_orphans(table, answer, question, columns)
    return Finding(
        Code.NOT_UNIQUE_AT_TARGET,
        Severity.ERROR,
        f"{table.label}.{columns}",
        f"rows that are equal in what the target's unique {question.name} covers" + _say_aside(question),
        "make these values differ at the source, or give up the target's key",
        row_count=answer.row_count,
        first_keys=answer.first_keys,
    )


def _say_aside(question: KeyQuestion) -> str:
    asides = _find_asides(question)
    return f", {' and '.join(asides)} aside" if asides else ""


def _say_how(table: TablePlan, question: KeyQuestion) -> str:
    """Say how texts are compared; nothing of keys without one."""
    types = {column.name: column.type.name for column in table.source.columns}
    if not any(types[column.name] in _TEXTS for column in question.columns):
        return ""
    asides = _find_asides(question)
    return (
        f"without regard to {' and '.join(asides)} " if asides else "letter by letter and to the last space "
    )


def _find_asides(question: KeyQuestion) -> list[str]:
    """Name what the target leaves out of account where it compares the texts of this key."""
    equalities = [column.equality for column in question.columns]
    words = [_ASIDES[equality.letters] for equality in equalities if equality.letters in _ASIDES]
    words += ["trailing spaces" for equality in equalities if equality.pads]
    return list(dict.fromkeys(words))


def _describe_orphans(
    table: TablePlan, answer: KeyAnswer, question: ReferenceQuestion, columns: str
) -> Finding:
    parent = f"{question.referred_table.name} ({', '.join(c.name for c in question.referred_columns)})"
    enforced = question.is_enforced
    if question.left_as is not None:
        carried = f"the target's foreign key {question.name} is {question.left_as}, and is restored as that"
    else:
        carried = f"the source does not trust its foreign key {question.name}, the target has none like it"
    return Finding(
        Code.ORPHANS if enforced else Code.ORPHANS_CARRIED,
        Severity.ERROR if enforced else Severity.WARNING,
        f"{table.label}.{columns}",
        f"rows that refer to no row of {parent}, compared {_say_how(table, question)}as "
        + (
            f"the target's foreign key {question.name} does"
            if enforced
            else f"PostgreSQL does; {carried}. They are carried as they are, nothing is deleted"
        ),
        "correct these rows at the source, or drop the target's foreign key" if enforced else None,
        row_count=answer.row_count,
        first_keys=answer.first_keys,
    )
