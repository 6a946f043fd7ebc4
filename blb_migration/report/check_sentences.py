"""What a check found, in a sentence or two, with the next act: for Dagster's page and for the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blb_migration.checks import HIDDEN, CheckResult, Comparison, Difference, DifferencesKept
from blb_migration.compare.changed_definitions import is_of_definition
from blb_migration.progress.quantities import count
from blb_migration.report.metric_texts import describe_metric, format_metric, rank_metric

METRICS_IN_SENTENCE = 2
_KEY_TOTALS_IN_SENTENCE = 3
_LENGTH_OF_VALUE = 60
_NUMBER_OR_MOMENT = re.compile(r"[0-9.:+TZ -]{1,40}(?<! )", re.ASCII)
_KEYS_DROPPED = ("foreign keys still dropped", "foreign keys switched off")


def describe_check(result: CheckResult) -> str:
    """Return what was found: of a difference first the row that changed, then metrics, then the next act."""
    if result.passed:
        return f"{_describe_equality(result)}{_describe_left_out(result)}"
    told = [*_describe_rows(result.differences), *_describe_unequal(result)]
    return f"{'. '.join(told)}.{_describe_left_out(result)} Next: {find_next_act(result)}."


def sort_unequal(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return those that differ, the most telling first."""
    unequal = [comparison for comparison in comparisons if not comparison.match]
    return sorted(unequal, key=lambda each: rank_metric(each.name, is_key_total=each.is_key_total))


def find_next_act(result: CheckResult) -> str:
    """Say what to do about a check that found a difference."""
    unequal = sort_unequal(result.comparisons)
    if result.name == "integrity":
        return _find_act_of_integrity(result.label, unequal)
    if any(each.name == "rows that differ now" for each in unequal):
        return f"load {result.label} again, since the source has changed since its load"
    return (
        f"find out who changed {result.label}; correct the row in the target, or load the table again;"
        " then compare again"
    )


def describe_cell(cell: Difference) -> str:
    """Return ``id=17, price: expected 1.10, found 1.20`` of a cell, or what became of a whole row."""
    if cell.kind != "changed" or cell.column is None:
        return str(cell)
    expected, found = (shorten_value(value) for value in (cell.source_value, cell.target_value))
    return f"{cell.key}, {cell.column}: expected {expected}, found {found}"


def shorten_value(value: str | None) -> str:
    """Return a cell's value on one line: texts in quotation marks, of a long one the beginning."""
    if value is None:
        return "NULL"
    if _NUMBER_OR_MOMENT.fullmatch(value) or value == HIDDEN:
        return value
    shown = f"{value[:_LENGTH_OF_VALUE]}…" if len(value) > _LENGTH_OF_VALUE else value
    return repr(shown)  # what a line break or a space at the end is, is seen


def _describe_rows(differences: DifferencesKept | None) -> list[str]:
    if differences is None or not differences.cells:
        return []
    told = [describe_cell(differences.cells[0])]
    rows = max(differences.source_rows, differences.target_rows)
    if rows > 1:
        told.append(f"In all {count(rows, 'row')} {'differ' if rows > 1 else 'differs'}")
    return told


def _describe_unequal(result: CheckResult) -> list[str]:
    unequal = sort_unequal(result.comparisons)
    if result.differences is not None and result.differences.cells:
        return []
    told = [describe_metric(comparison) for comparison in unequal[:METRICS_IN_SENTENCE]]
    if len(unequal) > METRICS_IN_SENTENCE:
        told.append(f"{len(unequal) - METRICS_IN_SENTENCE} more differ")
    return told


def _find_act_of_integrity(label: str, unequal: Sequence[Comparison]) -> str:
    if any(is_of_definition(each) for each in unequal):
        return (
            "if somebody meant this change, run target_prepared, which reads definitions anew, and compare"
            " again; else undo it in the target"
        )
    if any(each.name in _KEYS_DROPPED for each in unequal):
        return "run 'blb-migrate restore-keys', or materialize constraints_restored, then compare again"
    if any(each.name.startswith("next number of") for each in unequal):
        return f"load {label} again, which sets the sequence, then compare again"
    return f"correct {label} in the target, or load it again, then compare again"


def _describe_equality(result: CheckResult) -> str:
    compared = result.comparisons
    if result.name == "integrity":
        return f"Equal: {count(len(compared), 'promise')} of the target kept"
    rows = next((each for each in compared if each.name.startswith("rows")), None)
    if result.name != "key_totals" and rows is not None:
        how = "every cell of " if result.name == "content" else ""
        number = format_metric(rows.source_value)
        return f"Equal: {how}{number} {'row' if rows.source_value == '1' else 'rows'}"
    totals = [each for each in compared if each.is_key_total][:_KEY_TOTALS_IN_SENTENCE]
    named = "; ".join(f"{each.name} = {format_metric(each.source_value)}" for each in totals)
    return f"Equal: {count(len(compared), 'metric')}{f', {named}' if named else ''}"


def _describe_left_out(result: CheckResult) -> str:
    if not result.left_out:
        return "." if result.passed else ""
    return f"{'.' if result.passed else ''} The source refused to compute {', '.join(result.left_out)}."
