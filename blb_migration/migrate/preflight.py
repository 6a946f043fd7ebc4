"""Preflight: everything that would go wrong, found before a row is written, all at once.

Both sides are only read. It asks the live catalogs whether the plan still holds, the source whether
every value fits, and the target whether it may be loaded. Findings are returned, not raised: errors
refuse the migration (``refuse_if_errors``), warnings go along into the ledger and the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blb_migration.errors import PreflightRefused, SourceError, SourceUnreachable
from blb_migration.migrate.context import Migration
from blb_migration.migrate.target_findings import find_target_obstacles
from blb_migration.migrate.value_findings import describe_answer
from blb_migration.plan.build import Plan, TablePlan
from blb_migration.plan.findings import Finding, Severity, has_errors, sort_findings
from blb_migration.plan.project import Project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.probes import answer_questions

_FINDINGS_IN_MESSAGE = 10


@dataclass(frozen=True)
class PreflightResult:
    """What preflight found, and what it found it on.

    ``isolation`` is how the source was read, ``notes`` what the source could not tell, in words.
    ``live_project`` has the catalogs of this moment.
    """

    findings: tuple[Finding, ...]
    source_server: str
    target_server: str
    isolation: str
    notes: tuple[str, ...]
    live_project: Project

    @property
    def row_estimates(self) -> dict[str, int]:
        """Rows by table label, from the source's statistics; tables it has none for are left out."""
        return {
            table.label: table.source.row_estimate
            for table in self.live_project.plan.tables
            if table.source.row_estimate is not None
        }


def run_preflight(migration: Migration) -> PreflightResult:
    """Look at both sides; writes nothing.

    Raises SourceUnreachable, TargetUnreachable, or SourceError/TargetError when a catalog cannot be read.
    """
    with migration.source.connect() as session, migration.target.connect() as connection:
        project = migration.project.with_catalogs(
            source_catalog.read_catalog(session), target_catalog.read_catalog(connection)
        )
        plan = project.plan
        findings = list(plan.findings)
        findings += _compare_with_definitions(migration.project.plan, plan)
        findings += find_target_obstacles(connection, migration.project)
        for table in plan.tables:
            findings += _ask_source(session, table)
        return PreflightResult(
            findings=sort_findings(findings),
            source_server=f"SQL Server {project.source.server_version}",
            target_server=f"PostgreSQL {project.target.server_version}",
            isolation=session.isolation,
            notes=tuple(session.notes),
            live_project=project,
        )


def refuse_if_errors(result: PreflightResult) -> None:
    """Raise PreflightRefused naming the first errors, when there are any."""
    if not has_errors(result.findings):
        return
    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    shown = [f"  {finding}" for finding in errors[:_FINDINGS_IN_MESSAGE]]
    if len(errors) > len(shown):
        shown.append(f"  and {len(errors) - len(shown)} more")
    raise PreflightRefused(
        f"project {result.live_project.name}",
        found=f"preflight found {len(errors)} errors\n" + "\n".join(shown) + "\nNothing was written",
        next_act="Settle each of them, then run again",
    )


def _compare_with_definitions(planned: Plan, live: Plan) -> Iterator[Finding]:
    """The graph was drawn from the project's catalogs; both databases must still look like them."""
    if planned.hash == live.hash:
        return
    planned_labels, live_labels = set(planned.tables_by_label), set(live.tables_by_label)
    changes = [f"+{label}" for label in sorted(live_labels - planned_labels)]
    changes += [f"-{label}" for label in sorted(planned_labels - live_labels)]
    changes += [
        label
        for label in sorted(planned_labels & live_labels)
        if planned.tables_by_label[label].columns != live.tables_by_label[label].columns
    ]
    yield Finding(
        "plan_is_out_of_date",
        Severity.ERROR,
        f"project {planned.project}",
        "the databases no longer look like the project's catalog.json: " + ", ".join(changes[:20]),
        "run 'blb-migrate plan', then reload the definitions",
    )


def _ask_source(session: SourceSession, table: TablePlan) -> Iterator[Finding]:
    columns = {column.source.name: column for column in table.columns}
    try:
        answers = answer_questions(session, table.source, table.questions)
    except SourceUnreachable:
        raise
    except SourceError as error:
        yield Finding(
            "source_table_not_readable",
            Severity.ERROR,
            table.label,
            error.found,
            error.next_act or "give the source's log-in the SELECT right on this table",
        )
        return
    for answer in answers:
        finding = describe_answer(table, columns[answer.question.column], answer)
        if finding is not None:
            yield finding
