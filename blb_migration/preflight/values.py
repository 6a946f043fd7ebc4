"""Answers of the source about its values become findings: what does not fit, how many, where, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.risks import TARGET_FRACTION_DIGITS
from blb_migration.plan.table_plans import TablePlan
from blb_migration.preflight.page_findings import describe_page_answer
from blb_migration.questions import Answer, QuestionKind

_CORRECT = "correct these rows at the source"
_WIDEN = "widen the target's column, or correct these rows at the source"

_MESSAGES: dict[QuestionKind, tuple[str, str]] = {
    "is_null": ("NULL at the source, the target's {target} is NOT NULL", _CORRECT),
    "decimal_finer_than": ("{source} holds more digits after the point than {target_type} keeps", _WIDEN),
    "decimal_outside": ("{source} holds numbers too large for {target_type}", _WIDEN),
    "integer_outside": ("{source} holds values outside what {target_type} can hold", _WIDEN),
    "text_longer_than": ("{source} holds texts longer than {target_type}", _WIDEN),
    "fraction_finer_than": ("{source} holds fractions of a second finer than {target_type} keeps", _WIDEN),
    "contains_nul": ("texts with the character U+0000, which PostgreSQL cannot store", _CORRECT),
    "lone_surrogate": ("texts with half a surrogate pair, which is not valid Unicode", _CORRECT),
    "not_json": ("texts that are not JSON, the target's {target} is {target_type}", _CORRECT),
    "json_nul": ("JSON texts with an escaped U+0000, for which jsonb has no value", _CORRECT),
    "json_lone_surrogate": ("JSON texts that escape half a surrogate pair, which jsonb refuses", _CORRECT),
    "json_number_outside": ("JSON texts with numbers beyond numeric, which jsonb refuses", _CORRECT),
    "not_uuid": ("texts that are no GUIDs (8-4-4-4-12 hexadecimal digits)", _CORRECT),
    "not_a_word": ("texts that are none of those that {target} ({target_type}) knows", _CORRECT),
    "not_sixteen_bytes": ("values that are not sixteen bytes, as a uuid is", _CORRECT),
    "has_time_of_day": ("{source} with a time of day, the target's {target} is a date", _WIDEN),
    "skipped_local_time": ("local times that the clocks of the decided zone never showed", _CORRECT),
    "repeated_local_time": (
        "local times that the clocks of the decided zone showed twice; the first of the two is taken",
        "see that it does not matter which of the two it was",
    ),
    "float_finer_than": ("{source} with more digits after the point than {target_type} keeps", _WIDEN),
    "float_outside": ("{source} holds numbers too large for {target_type}", _WIDEN),
    "inexact_as_float": ("numbers with more digits than {target_type} gives back", _WIDEN),
    "real_outside": ("{source} holds numbers too large for {target_type}", _WIDEN),
    "not_the_number": (
        "texts that are not the digits of a number that {target_type} holds, as it would print them",
        "correct these rows at the source, or keep the target's {target} a text",
    ),
    "not_the_date": (
        "texts that are no dates written YYYY-MM-DD",
        "correct these rows at the source, or keep the target's {target} a text",
    ),
    "instant_shown_twice": (
        "instants whose local time the clocks of the decided zone showed twice; which of the two it was is "
        "not kept",
        "decide for zone: UTC, or see that it does not matter",
    ),
    "ends_in_space": (
        "values of a key that end in spaces: equal to those without them at the source, different here",
        "see that no query of the application relies on it",
    ),
    "offset_is_lost": (
        "instants with an offset other than +00:00: the instant is kept, the offset is not",
        "keep the offset in a column of its own if it matters",
    ),
}
_WARNINGS = ("ends_in_space", "offset_is_lost", "repeated_local_time", "instant_shown_twice")

# The decision that would cover a finding, as it stands in decisions.yaml.
_DECISIONS: dict[QuestionKind, dict[str, object]] = {
    "is_null": {"on_null": {"fill": "VALUE"}},
    "decimal_finer_than": {"on_too_precise": "round"},
    "fraction_finer_than": {"on_too_precise": "truncate"},
    "text_longer_than": {"on_too_long": "truncate"},
    "contains_nul": {"on_nul_character": "strip"},
    "lone_surrogate": {"on_lone_surrogate": "replace"},
    "json_nul": {"on_nul_character": "strip"},
    "json_lone_surrogate": {"on_lone_surrogate": "replace"},
    "has_time_of_day": {"on_time_of_day": "truncate"},
    "float_finer_than": {"on_too_precise": "round"},
    "inexact_as_float": {"on_too_precise": "round"},
}


def describe_answers(table: TablePlan, answers: Sequence[Answer]) -> Iterator[Finding]:
    """Yield the findings that a table's answers lead to; what concerns no row leads to none.

    What a person decided about, and fractions past the microsecond, which a declared rule cuts off, are
    warnings; everything else that does not fit is an error.
    """
    columns = {column.source.name: column for column in table.columns}
    variants: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.row_count == 0:
            continue
        if answer.question.kind in ("row_too_wide", "row_too_large", "index_entry_too_large"):
            yield describe_page_answer(table, answer)
        elif answer.question.kind == "variant_of_type":
            variants.setdefault(answer.question.column, []).append(answer)
        else:
            yield _describe_answer(table, columns[answer.question.column], answer)
    for name, found in variants.items():
        yield _describe_variants(f"{table.label}.{name}", found)


def _describe_answer(table: TablePlan, column: ColumnPlan, answer: Answer) -> Finding:
    kind = answer.question.kind
    severity = Severity.WARNING if kind in _WARNINGS else Severity.ERROR
    message, act = _MESSAGES[kind]
    names = {
        "source": column.source.type,
        "target": column.target.name,
        "target_type": column.target.type,
    }
    message, act = message.format_map(names), act.format_map(names)
    decided = next((decision for decision in column.decisions if decision.covers == kind), None)
    next_act: str | None = act
    if decided is not None:
        severity, next_act = Severity.WARNING, None
        message = f"{message}; by decision {decided} ({decided.reason})"
    elif kind == "fraction_finer_than" and answer.question.arguments == (TARGET_FRACTION_DIGITS,):
        severity, next_act = Severity.WARNING, None
        message = "digits past the microsecond are cut off, as PostgreSQL keeps six"
    elif kind in _DECISIONS:
        decision = write_decision(table.label, _DECISIONS[kind] | {"reason": WHY}, column.source.name)
        next_act = f"{act}, or decide: {decision}"
    return Finding(
        Code[kind.upper()],
        severity,
        f"{table.label}.{column.source.name}",
        message,
        next_act,
        row_count=answer.row_count,
        first_keys=answer.first_keys,
    )


def _describe_variants(subject: str, found: Sequence[Answer]) -> Finding:
    counts = ", ".join(f"{answer.question.arguments[0]} {answer.row_count:,}" for answer in found)
    return Finding(
        Code.VARIANT_BASE_TYPES,
        Severity.WARNING,
        subject,
        f"sql_variant becomes text; its values' base types are not kept: {counts}",
        "give the target a column for the type if the application asks for it",
        row_count=sum(answer.row_count for answer in found),
    )
