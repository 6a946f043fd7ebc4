"""A table's questions put to the source: all in two scans, or one by one where the source cannot answer all.

A question that cannot be asked is a warning: what it would have found still fails the table's load or its
comparison. There is one such finding per kind of question, with the tables behind it. A table that cannot
even be counted is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.plan.table_plans import TablePlan
from blb_migration.preflight.keys import describe_key_answer
from blb_migration.preflight.values import describe_answers
from blb_migration.questions import (
    KeyQuestion,
    Question,
    ReferenceQuestion,
    name_question,
)
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.key_probes import answer_key_questions
from blb_migration.sqlserver.probes import answer_questions
from blb_migration.sqlserver.table_metrics import count_rows

AnyQuestion = TypeVar("AnyQuestion", Question, KeyQuestion)
AnyAnswer = TypeVar("AnyAnswer")


class Unanswered:
    """The questions that the source could not answer, by what they are about."""

    def __init__(self) -> None:
        self._subjects: defaultdict[str, list[str]] = defaultdict(list)
        self._reasons: dict[str, str] = {}

    def add(self, table: TablePlan, question: Question | KeyQuestion, error: SourceError) -> None:
        """Note one question and what the source said to it."""
        kind = name_question(question)
        columns = [question.column] if isinstance(question, Question) else [c.name for c in question.columns]
        subject = f"{table.label}.{', '.join(columns)}"
        if isinstance(question, ReferenceQuestion):
            subject += f" (to {question.referred_table.name})"
        if subject not in self._subjects[kind]:
            self._subjects[kind].append(subject)
        self._reasons.setdefault(kind, error.found)

    def describe(self) -> Iterator[Finding]:
        """Yield one finding per kind of question."""
        for kind, subjects in self._subjects.items():
            yield Finding(
                Code.QUESTION_NOT_ANSWERED,
                Severity.WARNING,
                "source",
                f"it could not say {kind} in {name_some(subjects)} ({self._reasons[kind]}); what that "
                "would have found fails the load or the comparison instead",
            )


def ask_source(session: SourceSession, table: TablePlan, unanswered: Unanswered) -> Iterator[Finding]:
    """Yield what the rows say, in two scans at most: one for values, one for keys.

    What the source cannot answer goes into ``unanswered``. Raises SourceUnreachable.
    """
    try:
        answers = answer_questions(session, table.source, table.questions)
        key_answers = answer_key_questions(session, table.source, table.key_questions)
    except SourceUnreachable:
        raise
    except SourceError:
        unreadable = _find_unreadable(session, table)
        if unreadable is not None:
            yield unreadable
            return
        source = table.source
        answers = _ask_each(
            table, table.questions, lambda one: answer_questions(session, source, [one]), unanswered
        )
        key_answers = _ask_each(
            table, table.key_questions, lambda one: answer_key_questions(session, source, [one]), unanswered
        )
    yield from describe_answers(table, answers)
    for key_answer in key_answers:
        finding = describe_key_answer(table, key_answer)
        if finding is not None:
            yield finding


def _find_unreadable(session: SourceSession, table: TablePlan) -> Finding | None:
    try:
        count_rows(session, table.source.name)
    except SourceUnreachable:
        raise
    except SourceError as error:
        next_act = error.next_act or "give the source's log-in the SELECT right on this table"
        return Finding(Code.SOURCE_TABLE_NOT_READABLE, Severity.ERROR, table.label, error.found, next_act)
    return None


def _ask_each(
    table: TablePlan,
    questions: Sequence[AnyQuestion],
    ask: Callable[[AnyQuestion], tuple[AnyAnswer, ...]],
    unanswered: Unanswered,
) -> tuple[AnyAnswer, ...]:
    """Return the answers to those questions the source can answer."""
    answers: list[AnyAnswer] = []
    for question in questions:
        try:
            answers += ask(question)
        except SourceUnreachable:
            raise
        except SourceError as error:
            unanswered.add(table, question, error)
    return tuple(answers)
