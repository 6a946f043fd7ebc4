"""Preflight: everything that would go wrong, found before a row is written, all at once.

Both sides are only read. It asks the live catalogs whether the plan still holds, the source whether
every value fits, and the target whether it may be loaded. Findings are returned, not raised: errors
refuse the migration (``refuse_if_errors``), warnings go along into the ledger and the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from blb_migration.errors import PreflightRefused, SourceError, SourceUnreachable
from blb_migration.findings import Code, Finding, Severity, has_errors, sort_findings
from blb_migration.migration import Migration
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import Plan, TablePlan
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.catalog_columns import read_insensitive_collations
from blb_migration.postgres.ledger.records import NotMigratedRecord, ServerFacts
from blb_migration.preflight.collation_findings import find_insensitive_columns
from blb_migration.preflight.default_findings import find_lost_defaults
from blb_migration.preflight.keys import describe_key_answer
from blb_migration.preflight.same_database import refuse_same_database
from blb_migration.preflight.source_access import find_hidden_tables
from blb_migration.preflight.target_access import find_target_obstacles
from blb_migration.preflight.target_rights import find_rights_missing
from blb_migration.preflight.values import describe_answers
from blb_migration.questions import Answer, KeyAnswer
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.key_probes import answer_key_questions
from blb_migration.sqlserver.other_objects import SourceModule, read_not_migrated
from blb_migration.sqlserver.probes import answer_questions
from blb_migration.sqlserver.table_metrics import count_rows

_FINDINGS_IN_MESSAGE = 10

AnyQuestion = TypeVar("AnyQuestion")
AnyAnswer = TypeVar("AnyAnswer")


@dataclass(frozen=True)
class PreflightResult:
    """What preflight found, and what it found it on.

    ``isolation`` is how the source was read, ``notes`` what the source could not tell, in words.
    ``live_project`` has the catalogs of this moment, ``source_objects`` are what the source holds besides
    tables: nothing of it is migrated.
    """

    findings: tuple[Finding, ...]
    source_server: str
    target_server: str
    isolation: str
    notes: tuple[str, ...]
    live_project: Project
    source_objects: tuple[SourceModule, ...] = ()
    source_driver: str | None = None

    @property
    def facts(self) -> ServerFacts:
        """What of this goes into the ledger beside the findings."""
        return ServerFacts(
            source_server=self.source_server,
            target_server=self.target_server,
            isolation=self.isolation,
            notes=self.notes,
            source_driver=self.source_driver,
            objects_not_migrated=tuple(map(_as_not_migrated, self.source_objects)),
        )

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

    Raises ConfigurationError where both are one database, SourceUnreachable, TargetUnreachable, or
    SourceError/TargetError when a catalog cannot be read.
    """
    with migration.source.connect() as session, migration.target.connect() as connection:
        refuse_same_database(migration.source, migration.target)
        project = migration.project.with_catalogs(
            source_catalog.read_catalog(session), target_catalog.read_catalog(connection)
        )
        plan = project.plan
        findings = list(plan.findings)
        findings += _compare_with_definitions(migration.project.plan, plan)
        rights = list(find_rights_missing(connection, migration))
        findings += rights
        if not has_errors(tuple(rights)):  # without them, even the questions that follow may not be asked
            findings += find_target_obstacles(connection, migration.project)
        findings += find_hidden_tables(session, project.source)
        insensitive_collations = read_insensitive_collations(connection)
        for table in plan.tables:
            findings += find_insensitive_columns(table, insensitive_collations)
            findings += find_lost_defaults(table)
            findings += _ask_source(session, table)
        source_objects = read_not_migrated(session)
        return PreflightResult(
            findings=sort_findings(findings),
            source_server=f"SQL Server {project.source.server_version}",
            target_server=f"PostgreSQL {project.target.server_version}",
            isolation=session.isolation,
            notes=tuple(session.notes),
            live_project=project,
            source_objects=source_objects,
            source_driver=str(session.driver),
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


def _as_not_migrated(module: SourceModule) -> NotMigratedRecord:
    name = f"{module.schema}.{module.name}"
    reason = f"A {module.kind} holds no rows; the new application brings its own, or somebody rewrites it."
    return NotMigratedRecord(module.kind, f"{name} on {module.parent}" if module.parent else name, reason)


def _compare_with_definitions(planned: Plan, live: Plan) -> Iterator[Finding]:
    """Find where a database no longer looks like the catalog from which the graph was drawn."""
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
        Code.PLAN_IS_OUT_OF_DATE,
        Severity.ERROR,
        f"project {planned.project}",
        "the databases no longer look like the project's catalog.json: " + ", ".join(changes[:20]),
        "run 'blb-migrate plan', then reload the definitions",
    )


def _ask_one_by_one(
    session: SourceSession, table: TablePlan
) -> tuple[tuple[Answer, ...], tuple[KeyAnswer, ...], list[Finding]]:
    """Return the same where one scan for everything failed: some servers lack a function, some a right.

    A question that cannot be asked is a warning: what it would have found still fails the table's load
    or its comparison. A table that cannot even be counted is an error.
    """
    try:
        count_rows(session, table.source.name)
    except SourceUnreachable:
        raise
    except SourceError as error:
        next_act = error.next_act or "give the source's log-in the SELECT right on this table"
        return (
            (),
            (),
            [Finding(Code.SOURCE_TABLE_NOT_READABLE, Severity.ERROR, table.label, error.found, next_act)],
        )
    findings: list[Finding] = []
    answers = _ask_each(
        table, table.questions, lambda one: answer_questions(session, table.source, [one]), findings
    )
    key_answers = _ask_each(
        table, table.key_questions, lambda one: answer_key_questions(session, table.source, [one]), findings
    )
    return answers, key_answers, findings


def _ask_each(
    table: TablePlan,
    questions: Sequence[AnyQuestion],
    ask: Callable[[AnyQuestion], tuple[AnyAnswer, ...]],
    findings: list[Finding],
) -> tuple[AnyAnswer, ...]:
    """Return the answers to those questions the source can answer; the others become ``findings``."""
    answers: list[AnyAnswer] = []
    for question in questions:
        try:
            answers += ask(question)
        except SourceUnreachable:
            raise
        except SourceError as error:
            findings.append(
                Finding(
                    Code.QUESTION_NOT_ANSWERED,
                    Severity.WARNING,
                    table.label,
                    f"the source could not answer the question {question} ({error.found}); what it would "
                    "have found fails the load or the comparison instead",
                )
            )
    return tuple(answers)


def _ask_source(session: SourceSession, table: TablePlan) -> Iterator[Finding]:
    """Yield what the rows say, in two scans at most: one for values, one for keys."""
    try:
        answers = answer_questions(session, table.source, table.questions)
        key_answers = answer_key_questions(session, table.source, table.key_questions)
    except SourceUnreachable:
        raise
    except SourceError:
        answers, key_answers, findings = _ask_one_by_one(session, table)
        yield from findings
    yield from describe_answers(table, answers)
    for key_answer in key_answers:
        finding = describe_key_answer(table, key_answer)
        if finding is not None:
            yield finding
