"""Two catalogs and the decisions become one plan: per table its columns, conversions, parents, totals.

What cannot be planned becomes a finding; this module decides nothing a person should decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from blb_migration.findings import Code, Finding, Severity, sort_findings
from blb_migration.model import Catalog, TableName
from blb_migration.plan.columns import (
    ColumnOutcome,
    ColumnPlan,
    ComputedPair,
    NotMigrated,
    plan_columns,
)
from blb_migration.plan.decided_names import check_names
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.decisions import Decisions
from blb_migration.plan.decisions_file import DecisionFault, Location
from blb_migration.plan.differences import find_column_differences
from blb_migration.plan.key_differences import find_key_differences
from blb_migration.plan.key_questions import find_key_questions
from blb_migration.plan.key_totals import TotalledTable, build_key_totals
from blb_migration.plan.match import (
    TableMatch,
    find_column_decisions,
    index_tables,
    match_tables,
)
from blb_migration.plan.order import Edge, LoadOrder, build_load_order
from blb_migration.plan.page_risks import find_page_questions
from blb_migration.plan.table_plans import HiddenColumn, Plan, TablePlan


def build_plan(
    source: Catalog, target: Catalog, decisions: Decisions, known_source: Catalog | None = None
) -> Plan:
    """Plan the migration; problems become findings or, in the decisions, faults; nothing is raised.

    ``known_source`` is the source as catalog.json has it, where ``source`` was read just now.
    """
    matched = match_tables(source, target, decisions)
    names = check_names(source, decisions, known_source)
    findings = [*matched.findings, *names.findings]
    faults = list(names.faults)
    order = build_load_order(
        [pair.source.name for pair in matched.pairs],
        _iterate_edges(matched.pairs),
    )
    labels = {pair.source.name: pair.label for pair in matched.pairs}
    groups = _groups_by_table(source, decisions, labels, findings)
    pairs = {pair.source.name: pair for pair in matched.pairs}

    not_migrated = [
        NotMigrated(table.name, None, reason, table.row_estimate) for table, reason in matched.skipped
    ]
    tables = []
    for name in order.tables:
        table_plan, table_not_migrated, table_findings, table_faults = _plan_table(
            pairs[name], order, labels, groups.get(name)
        )
        faults += table_faults
        tables.append(table_plan)
        not_migrated += table_not_migrated
        findings += table_findings
    by_source = {table.source.name: table for table in tables}
    for table in tables:
        findings += find_key_differences(table, by_source)
    tables = _ask_about_keys(tables, findings)
    findings += _describe_left_out_edges(order)
    return Plan(
        decisions.project,
        tuple(tables),
        tuple(not_migrated),
        sort_findings(findings),
        tuple(faults),
    )


def _iterate_edges(pairs: Iterable[TableMatch]) -> Iterable[Edge]:
    """Foreign keys of both sides, in terms of source tables."""
    source_names = {pair.target.name: pair.source.name for pair in pairs}
    for pair in pairs:
        for key in pair.source.foreign_keys:
            nullable = any(pair.source.columns_by_name[column].nullable for column in key.columns)
            yield Edge(pair.source.name, key.referred_table, nullable, at_target=False)
        for key in pair.target.foreign_keys:
            if key.referred_table in source_names:
                nullable = any(pair.target.columns_by_name[column].nullable for column in key.columns)
                yield Edge(pair.source.name, source_names[key.referred_table], nullable, at_target=True)


def _plan_table(
    pair: TableMatch,
    order: LoadOrder,
    labels: Mapping[TableName, str],
    group: str | None,
) -> tuple[TablePlan, list[NotMigrated], list[Finding], list[DecisionFault]]:
    outcomes = list(plan_columns(pair))
    columns = tuple(outcome for outcome in outcomes if isinstance(outcome, ColumnPlan))
    totalled = _describe_totalled(pair, outcomes, ("tables", pair.decision_name or pair.label))
    key_totals, faults = build_key_totals(totalled, pair.decision.key_totals)
    name = pair.source.name
    table_plan = TablePlan(
        label=pair.label,
        source=pair.source,
        target=pair.target,
        columns=columns,
        computed=tuple(
            outcome.with_inputs(columns) for outcome in outcomes if isinstance(outcome, ComputedPair)
        ),
        source_key=pair.source.primary_key.columns if pair.source.primary_key else (),
        group=group or name.schema,
        level=order.levels[name],
        upstream=tuple(labels[parent] for parent in order.upstream[name]),
        key_totals=key_totals,
        replace_rows=pair.decision.replace_rows,
        page_questions=tuple(find_page_questions(pair.target, columns, pair.decision.long_index_entries)),
        hidden=tuple(_find_hidden(pair, outcomes)),
    )
    findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
    if not columns and not findings:
        findings.append(_describe_no_column(pair))
    findings += find_column_differences(pair.label, columns)
    not_migrated = [outcome for outcome in outcomes if isinstance(outcome, NotMigrated)]
    return table_plan, not_migrated, findings, faults


def _describe_no_column(pair: TableMatch) -> Finding:
    return Finding(
        Code.NO_COLUMN_LOADED,
        Severity.ERROR,
        pair.label,
        "no column of it is loaded: each is skipped, or the target computes it",
        f"load one of them, or skip the table: {write_decision(pair.label, {'skip': WHY})}",
    )


def _find_hidden(pair: TableMatch, outcomes: Iterable[ColumnOutcome]) -> Iterator[HiddenColumn]:
    """Yield the columns whose values decisions.yaml hides."""
    decisions = find_column_decisions(pair.source, pair.decision)
    reasons = {name: decision.hide for name, decision in decisions.items()}
    for outcome in outcomes:
        if isinstance(outcome, ColumnPlan | ComputedPair):
            reason = reasons.get(outcome.source.name)
            if reason is not None:
                yield HiddenColumn(outcome.source.name, outcome.target.name, reason)


def _describe_totalled(
    pair: TableMatch, outcomes: Iterable[ColumnOutcome], location: Location
) -> TotalledTable:
    columns: dict[str, ColumnPlan] = {}
    not_loaded: dict[str, str] = {}
    for outcome in outcomes:
        if isinstance(outcome, ColumnPlan):
            columns[outcome.source.name.lower()] = outcome
        elif isinstance(outcome, ComputedPair):
            not_loaded[outcome.source.name.lower()] = (
                "the target computes it; it is compared without being asked"
            )
        elif isinstance(outcome, NotMigrated) and outcome.column is not None:
            not_loaded[outcome.column.lower()] = f"the column is skipped by decision ({outcome.reason})"
    decided = columns.keys() | not_loaded.keys()
    undecided = {column.name.lower() for column in pair.source.columns} - decided
    return TotalledTable(location, columns, not_loaded, undecided)


def _ask_about_keys(tables: list[TablePlan], findings: list[Finding]) -> list[TablePlan]:
    """Return the tables with their questions about keys, which only all tables together raise."""
    by_target = {table.target.name: table for table in tables}
    asking = []
    for table in tables:
        questions, key_findings = find_key_questions(table, by_target)
        asking.append(replace(table, key_questions=questions))
        findings += key_findings
    return asking


def _groups_by_table(
    source: Catalog, decisions: Decisions, labels: Mapping[TableName, str], findings: list[Finding]
) -> dict[TableName, str]:
    tables = index_tables(source, decisions.default_schema)
    groups: dict[TableName, str] = {}
    for group, members in decisions.groups.items():
        for member in members:
            found = tables.find(member)
            table = None if found is None or found.name not in labels else found.name
            if table is not None and table in groups:
                findings.append(
                    Finding(
                        Code.TABLE_IN_TWO_GROUPS,
                        Severity.WARNING,
                        member,
                        f"stands in the groups {groups[table]} and {group}; the first counts",
                        "remove one of the two",
                    )
                )
            elif table is not None:
                groups[table] = group
    return groups


def _describe_left_out_edges(order: LoadOrder) -> Iterable[Finding]:
    for edge in order.left_out:
        yield Finding(
            Code.CYCLE_COLLAPSED,
            Severity.NOTE,
            f"{edge.child}",
            f"its reference to {edge.parent} closes a cycle and does not order the load; "
            "the key itself is enforced as at the target",
        )
