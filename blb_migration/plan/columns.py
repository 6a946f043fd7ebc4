"""One pair of tables, column by column: loaded, computed by the target, left behind, or a question.

Deterministic and complete: every source column and every target column is accounted for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from blb_migration.model import Column, TableName
from blb_migration.plan.decisions import ColumnDecision
from blb_migration.plan.findings import Finding, Severity
from blb_migration.plan.match import TableMatch
from blb_migration.plan.types import Conversion, build_questions, find_rule
from blb_migration.questions import Question


@dataclass(frozen=True)
class ColumnPlan:
    """One source column and where its values go."""

    source: Column
    target: Column
    conversion: Conversion
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class ComputedPair:
    """A column the target computes itself: not loaded, its values compared with the source's."""

    source: Column
    target: Column


@dataclass(frozen=True)
class LeftBehind:
    """A source table or column that is not migrated; ``reason`` is the person's, from decisions.yaml."""

    table: TableName
    column: str | None
    reason: str
    row_estimate: int | None

    @property
    def subject(self) -> str:
        """``schema.table`` or ``schema.table.column``."""
        return str(self.table) if self.column is None else f"{self.table}.{self.column}"


ColumnOutcome = ColumnPlan | ComputedPair | LeftBehind | Finding


def plan_columns(pair: TableMatch) -> Iterator[ColumnOutcome]:
    """What becomes of every column of a pair of tables, source columns first, in their order."""
    decisions = {name.lower(): decision for name, decision in pair.decision.columns.items()}
    source_names = {column.name.lower() for column in pair.source.columns}
    for name in pair.decision.columns:
        if name.lower() not in source_names:
            yield Finding(
                "decision_without_object",
                Severity.WARNING,
                f"{pair.label}.{name}",
                "decisions.yaml decides on this column, the source table has no such column",
                "remove the decision, or correct the name",
            )
    fed: set[str] = set()
    for column in pair.source.columns:
        decision = decisions.get(column.name.lower(), ColumnDecision.model_construct())
        if decision.skip is not None:
            yield LeftBehind(pair.source.name, column.name, decision.skip, None)
            continue
        target = _find_target_column(pair, decision.to or column.name)
        if target is not None and target.name in fed:
            yield Finding(
                "target_column_fed_twice",
                Severity.ERROR,
                f"{pair.label}.{column.name}",
                f"another source column already goes into {pair.target.name}.{target.name}",
                "skip one of the two, or send it elsewhere with 'to:'",
            )
            continue
        if target is not None:
            fed.add(target.name)
        yield _plan_column(pair, column, target, decision.to or column.name)
    yield from _find_unfed_target_columns(pair, fed)


def _find_target_column(pair: TableMatch, wanted: str) -> Column | None:
    """The column of exactly that name, else the only one that differs by letter case alone."""
    if wanted in pair.target.columns_by_name:
        return pair.target.columns_by_name[wanted]
    folded = [column for column in pair.target.columns if column.name.lower() == wanted.lower()]
    return folded[0] if len(folded) == 1 else None


def _plan_column(pair: TableMatch, column: Column, target: Column | None, wanted: str) -> ColumnOutcome:
    subject = f"{pair.label}.{column.name}"
    if target is None:
        return Finding(
            "source_column_without_target",
            Severity.ERROR,
            subject,
            f"{column.type} at the source, no column {wanted} in {pair.target.name}",
            f"tables: {{{pair.label}: {{columns: {{{column.name}: {{skip: the reason}}}}}}}}, "
            "or 'to: target column'",
            row_count=pair.source.row_estimate,
        )
    if target.computed is not None:
        return ComputedPair(column, target)
    rule = find_rule(column.type, target.type)
    if rule is None:
        return Finding(
            "no_rule_for_types",
            Severity.ERROR,
            subject,
            f"column {column.name} is {column.type}, the target {target.name} is {target.type}: "
            "no rule says what that would mean ('blb-migrate types' lists the rules)",
            "change the target's type, or skip the column in decisions.yaml",
        )
    return ColumnPlan(column, target, rule.conversion, build_questions(column, target))


def _find_unfed_target_columns(pair: TableMatch, fed: set[str]) -> Iterator[Finding]:
    for column in pair.target.columns:
        if column.name in fed or column.computed is not None:
            continue
        fills_itself = column.nullable or column.default is not None or column.identity is not None
        yield Finding(
            "target_column_without_source",
            Severity.NOTE if fills_itself else Severity.ERROR,
            f"{pair.target.name}.{column.name}",
            "no source column feeds it; "
            + ("every row gets its default or NULL" if fills_itself else "it is NOT NULL without a default"),
            None if fills_itself else "give the target column a default, or map a source column with 'to:'",
        )


def find_key_differences(pair: TableMatch, target_names: Mapping[str, str]) -> Iterator[Finding]:
    """Foreign keys of the target that point to another table than the source's over the same columns.

    ``target_names`` maps the loaded source columns to their target columns.
    """
    source_keys = {
        tuple(target_names.get(column, column) for column in key.columns): key
        for key in pair.source.foreign_keys
    }
    for key in pair.target.foreign_keys:
        source_key = source_keys.get(key.columns)
        if source_key is None or source_key.referred_table.name.lower() == key.referred_table.name.lower():
            continue
        yield Finding(
            "foreign_key_points_elsewhere",
            Severity.WARNING,
            f"{pair.label}.{', '.join(key.columns)}",
            f"refers to {source_key.referred_table} at the source and to {key.referred_table} at the "
            "target; the key is proven when it is brought back",
            "see that every value exists in both tables, or correct the target's key",
        )
