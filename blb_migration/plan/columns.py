"""One pair of tables, column by column: loaded, computed by the target, not migrated, or a question.

Deterministic and complete: every source column and every target column is accounted for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Column, TableName
from blb_migration.plan.decided_values import decide_values
from blb_migration.plan.decision_texts import WHY, write_decision, write_keys
from blb_migration.plan.decisions import ColumnDecision
from blb_migration.plan.match import TableMatch, describe_estimate, find_column_decisions
from blb_migration.plan.reserved_names import SYSTEM_COLUMNS, describe_reserved_name
from blb_migration.plan.risks import build_questions
from blb_migration.plan.target_names import build_cut_name, build_target_name, find_alike
from blb_migration.plan.type_pairs import (
    Conversion,
    TypeRule,
    choose_conversion,
    explain_missing_rule,
    find_rule,
    list_targets,
)
from blb_migration.questions import Question
from blb_migration.value_decisions import DecidedColumn, ValueDecision


@dataclass(frozen=True)
class ColumnPlan:
    """One source column and where its values go; ``decisions`` in the order in which they are applied."""

    source: Column
    target: Column
    conversion: Conversion
    questions: tuple[Question, ...]
    decisions: tuple[ValueDecision, ...] = ()


@dataclass(frozen=True)
class ComputedPair:
    """A column the target computes itself: not loaded, its values compared with the source's.

    ``inputs`` are the columns it is computed from at the source, where decisions change their values: it is
    then compared as it follows from those.
    """

    source: Column
    target: Column
    inputs: tuple[DecidedColumn, ...] = ()

    def with_inputs(self, columns: Iterable[ColumnPlan]) -> ComputedPair:
        """Return the pair with those of the table's columns that it depends on and that are decided on."""
        if self.source.computed is None:
            return self
        text = self.source.computed.expression.lower()
        inputs = tuple(
            DecidedColumn(column.source, column.decisions)
            for column in columns
            if column.decisions and f"[{column.source.name.lower().replace(']', ']]')}]" in text
        )
        return replace(self, inputs=inputs)


@dataclass(frozen=True)
class NotMigrated:
    """A source table or column that is not migrated; ``reason`` is the person's, from decisions.yaml."""

    table: TableName
    column: str | None
    reason: str
    row_estimate: int | None

    @property
    def subject(self) -> str:
        """``schema.table`` or ``schema.table.column``."""
        return str(self.table) if self.column is None else f"{self.table}.{self.column}"


ColumnOutcome = ColumnPlan | ComputedPair | NotMigrated | Finding


def plan_columns(pair: TableMatch) -> Iterator[ColumnOutcome]:
    """Yield what becomes of every column of a pair of tables, source columns first, in their order."""
    decisions = find_column_decisions(pair.source, pair.decision)
    fed: set[str] = set()
    for column in pair.source.columns:
        decision = decisions.get(column.name, ColumnDecision.model_construct())
        if decision.skip is not None:
            yield NotMigrated(pair.source.name, column.name, decision.skip, pair.source.row_estimate)
            continue
        target = _find_target_column(pair, decision.to or build_target_name(column.name, pair.names))
        if target is None and decision.to is None:
            target = _find_target_column(pair, build_cut_name(column.name, pair.names))
        if target is not None and target.name in fed:
            yield Finding(
                Code.TARGET_COLUMN_FED_TWICE,
                Severity.ERROR,
                f"{pair.label}.{column.name}",
                f"another source column already goes into {pair.target.name}.{target.name}",
                "skip one of the two, or send it elsewhere with 'to:'",
            )
            continue
        if target is not None:
            fed.add(target.name)
        yield from _plan_column(pair, column, target, decision)
    yield from _find_unfed_target_columns(pair, fed)


def _find_target_column(pair: TableMatch, wanted: str) -> Column | None:
    """Find the column of exactly that name, else the only one that differs by letter case alone."""
    if wanted in pair.target.columns_by_name:
        return pair.target.columns_by_name[wanted]
    folded = [column for column in pair.target.columns if column.name.lower() == wanted.lower()]
    return folded[0] if len(folded) == 1 else None


def _plan_column(
    pair: TableMatch, column: Column, target: Column | None, decision: ColumnDecision
) -> Iterator[ColumnOutcome]:
    subject = f"{pair.label}.{column.name}"
    if target is None and (decision.to or column.name) in SYSTEM_COLUMNS:
        yield describe_reserved_name(pair.label, column.name, decision.to or column.name)
        return
    if target is None:
        wanted = decision.to or build_target_name(column.name, pair.names)
        alike = [own.name for own in pair.target.columns if own.name.lower() == wanted.lower()]
        missing = f"no column {wanted} in {pair.target.name}"
        if alike:
            missing += f", but several that differ only by letter case: {', '.join(alike)}"
        meant = "target column"
        spelled = find_alike(wanted, [own.name for own in pair.target.columns]) if not alike else []
        if len(spelled) == 1:
            (meant,) = spelled
            missing += f", but {meant}"
        yield Finding(
            Code.SOURCE_COLUMN_WITHOUT_TARGET,
            Severity.ERROR,
            subject,
            f"{column.type} at the source, {missing}" + describe_estimate(pair.source),
            f"{write_decision(pair.label, {'skip': WHY}, column.name)}, or 'to: {meant}'",
        )
        return
    if target.computed is not None:
        yield ComputedPair(column, target)
        for key in decision.value_decisions:
            yield Finding(
                Code.DECISION_WITHOUT_EFFECT,
                Severity.WARNING,
                subject,
                f"'{key}' is decided, but the target computes {target.name} itself",
                "remove the decision",
            )
        return
    rule = find_rule(column.type, target.type)
    if rule is None:
        yield Finding(
            Code.NO_RULE_FOR_TYPES,
            Severity.ERROR,
            subject,
            f"column {column.name} is {column.type}, the target {target.name} is {target.type}: "
            + explain_missing_rule(column.type, target.type),
            _suggest_type(column),
        )
        return
    decision = _take_local_times(pair, column, rule, decision)
    undecided = [key for key in rule.needs if key not in decision.meanings]
    if undecided:
        yield _describe_undecided(pair.label, column, target, undecided)
        return
    decisions, findings = decide_values(subject, decision, column, target)
    questions = build_questions(column, target, decisions, is_in_key=_is_in_key(pair, column.name))
    yield ColumnPlan(column, target, choose_conversion(rule, decisions), questions, decisions)
    yield from findings


def _take_local_times(
    pair: TableMatch, column: Column, rule: TypeRule, decision: ColumnDecision
) -> ColumnDecision:
    """Decide the zone of a column by what the file says for all, where it says nothing for this one."""
    every = pair.local_times
    if every is None or decision.zone is not None or not _is_local_time(column, rule.needs):
        return decision
    return decision.model_copy(update={"zone": every.zone, "reason": decision.reason or every.reason})


def _is_local_time(column: Column, needs: Collection[str]) -> bool:
    return "zone" in needs and column.type.name != "datetimeoffset"


def _suggest_type(column: Column) -> str:
    targets = ", ".join(list_targets(column.type))
    change = (
        f"change the target's type to one that {column.type.name} goes into ({targets}), or "
        if targets
        else ""
    )
    return f"{change}skip the column in decisions.yaml"


_EXAMPLES = {
    "zone": "Europe/Berlin",
    "true": ["Y"],
    "false": ["N"],
    "byte_order": "rfc",
    "as": "string",
}


def _describe_undecided(label: str, column: Column, target: Column, missing: list[str]) -> Finding:
    # An instant's offset is lost, so that one zone must do for all rows: UTC is never ambiguous.
    examples = _EXAMPLES | ({"zone": "UTC"} if column.type.name == "datetimeoffset" else {})
    for_all = ""
    if _is_local_time(column, missing):
        for_all = (
            f", or for all columns: {write_keys('local_times', {'zone': _EXAMPLES['zone'], 'reason': WHY})}"
        )
    return Finding(
        Code.MEANING_NOT_DECIDED,
        Severity.ERROR,
        f"{label}.{column.name}",
        f"{column.type} into {target.type}: only a person knows what its values mean there",
        write_decision(label, {key: examples[key] for key in missing} | {"reason": WHY}, column.name)
        + for_all,
    )


def _is_in_key(pair: TableMatch, column: str) -> bool:
    """Whether the source compares this column's values with those of other rows."""
    source = pair.source
    keys = [key.columns for key in source.unique_keys] + [key.columns for key in source.foreign_keys]
    keys += [source.primary_key.columns] if source.primary_key is not None else []
    keys += [tuple(member.name for member in index.columns) for index in source.indexes if index.unique]
    return any(column in columns for columns in keys)


def _find_unfed_target_columns(pair: TableMatch, fed: set[str]) -> Iterator[Finding]:
    for column in pair.target.columns:
        if column.name in fed or column.computed is not None:
            continue
        fills_itself = column.nullable or column.default is not None or column.identity is not None
        yield Finding(
            Code.TARGET_COLUMN_WITHOUT_SOURCE,
            Severity.NOTE if fills_itself else Severity.ERROR,
            f"{pair.target.name}.{column.name}",
            "no source column feeds it; "
            + ("every row gets its default or NULL" if fills_itself else "it is NOT NULL without a default"),
            None if fills_itself else "give the target column a default, or map a source column with 'to:'",
        )
