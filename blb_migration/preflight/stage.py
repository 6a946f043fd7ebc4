"""Preflight: everything that would go wrong, found before a row is written, all at once.

Both sides are only read. It asks the live catalogs whether the plan still holds, the source whether
every value fits, and the target whether it may be loaded. Findings are returned, not raised: errors
refuse the migration (``refuse_if_errors``), warnings go along into the ledger and the report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from blb_migration.errors import PreflightRefused
from blb_migration.findings import Finding, Severity, has_errors, sort_findings
from blb_migration.migration import Migration
from blb_migration.model import TableName
from blb_migration.plan.project import Project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.ledger.records import NotMigratedRecord, ServerFacts
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.target_hold import read_holder
from blb_migration.postgres.target_rules import TargetRule, read_target_rules
from blb_migration.preflight.asking import Unanswered, ask_source
from blb_migration.preflight.broken_rules import add_key_questions, find_broken_rules
from blb_migration.preflight.changed_plan import find_changes
from blb_migration.preflight.collation_findings import find_insensitive_columns
from blb_migration.preflight.default_findings import find_lost_defaults
from blb_migration.preflight.hidden_values import find_hidden_values
from blb_migration.preflight.identity_doubts import find_identity_doubts
from blb_migration.preflight.keys_left_off import find_keys_left_off
from blb_migration.preflight.outside_keys import find_outside_keys
from blb_migration.preflight.same_database import refuse_same_database
from blb_migration.preflight.source_access import (
    find_failing_reads,
    find_hidden_tables,
    find_snapshot_refused,
)
from blb_migration.preflight.special_findings import find_special
from blb_migration.preflight.stale_views import find_stale_views
from blb_migration.preflight.target_access import find_target_obstacles
from blb_migration.preflight.target_rights import find_limits, find_rights_missing
from blb_migration.preflight.translated_rules import TranslatedRules, find_translated
from blb_migration.run_entry import refuse_other_environment
from blb_migration.source_marker import SourceMarker
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.marker import read_marker
from blb_migration.sqlserver.other_objects import SourceModule, read_not_migrated
from blb_migration.waiting import SayPace, tell

_FINDINGS_IN_MESSAGE = 10
_FIRST_SECONDS = 4.0  # most preflights have ended by then


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
    source_marker: SourceMarker | None = None

    @property
    def facts(self) -> ServerFacts:
        """What of this goes into the ledger beside the findings."""
        return ServerFacts(
            source_server=self.source_server,
            target_server=self.target_server,
            isolation=self.isolation,
            notes=self.notes,
            source_driver=self.source_driver,
            source_marker=self.source_marker,
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

    Raises ConfigurationError where both are one database or the target serves another environment,
    SourceUnreachable, TargetUnreachable, or SourceError/TargetError when a catalog cannot be read.
    """
    pace = SayPace(_FIRST_SECONDS)
    with migration.source.connect() as session, migration.target.connect() as connection:
        refuse_same_database(migration.source, migration.target)
        if migration.run.kind == "preflight":  # every other run holds the target itself
            _say_who_holds_target(connection)
        project = migration.project.with_catalogs(
            source_catalog.read_catalog(session), target_catalog.read_catalog(connection)
        )
        plan = project.plan
        _say_progress(pace, "both catalogs are read")
        marker = read_marker(session, [table.source.name for table in plan.tables])
        findings = list(plan.findings)
        findings += find_changes(migration.project.plan, plan)
        rights = list(find_rights_missing(connection, migration))
        findings += rights
        findings += find_limits(connection, migration, plan)
        rules: dict[TableName, tuple[TargetRule, ...]] = {}
        may_ask = not has_errors(tuple(rights))
        if may_ask:  # without them, even the questions that follow may not be asked
            refuse_other_environment(connection, migration)
            # A dry run's copies are made only after this, and have the rules of the tables themselves.
            rules = read_target_rules(connection, project.plan_in_place.target_tables)
            findings += find_target_obstacles(connection, replace(migration, project=project))
            findings += find_keys_left_off(connection, project)
            findings += find_outside_keys(connection, project.plan_in_place)
            findings += find_stale_views(connection, project.plan_in_place)
        hidden = list(find_hidden_tables(session, project))
        findings += hidden
        unreadable = {finding.subject for finding in hidden}
        if not marker.is_immutable:
            findings += find_snapshot_refused(session, migration.source.isolation)
        findings += find_hidden_values(session, plan.tables)
        findings += find_special(session, plan.tables)
        _say_progress(pace, "rights and definitions are looked at")
        tried = [t for t in plan.tables if t.columns and str(t.source.name) not in unreadable]
        failing = list(find_failing_reads(session, tried))
        findings += failing
        unreadable |= {finding.subject for finding in failing}
        unanswered = Unanswered()
        in_place = project.plan_in_place.tables_by_label
        for number, table in enumerate(plan.tables):
            _say_progress(pace, f"{number:,} of {len(plan.tables):,} tables' values are asked")
            findings += find_insensitive_columns(table)
            findings += find_lost_defaults(table)
            own = find_translated(connection, in_place[table.label]) if may_ask else TranslatedRules()
            findings += own.findings
            if not unreadable & {table.label, str(table.source.name)}:
                own_rules = rules.get(in_place[table.label].target.name, ())
                findings += ask_source(session, add_key_questions(table, own_rules), unanswered)
                findings += find_broken_rules(session, table, own_rules, own)
        findings += unanswered.describe()
        # Of the tables as they are: a dry run's copies are made only after this.
        findings += find_identity_doubts(session, connection, project.plan_in_place.tables)
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
            source_marker=marker,
        )


def refuse_if_errors(result: PreflightResult) -> None:
    """Raise PreflightRefused naming the first errors, when there are any."""
    if not has_errors(result.findings):
        return
    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    shown = [f"  {finding}" for finding in errors[:_FINDINGS_IN_MESSAGE]]
    if len(errors) > len(shown):
        shown.append(f"  and {len(errors) - len(shown)} more")
    word = "error" if len(errors) == 1 else "errors"
    raise PreflightRefused(
        f"project {result.live_project.name}",
        found=f"preflight found {len(errors)} {word}\n" + "\n".join(shown) + "\nNo table was written",
        next_act="Settle each of them, then run again",
    )


def _say_progress(pace: SayPace, what: str) -> None:
    if pace.is_due():
        tell(f"preflight has run for {pace.elapsed_seconds:.0f} s: {what}")


def _say_who_holds_target(connection: TargetConnection) -> None:
    holder = read_holder(connection)
    if holder is not None:
        tell(f"the target is changing while preflight reads it: {holder} holds it")


def _as_not_migrated(module: SourceModule) -> NotMigratedRecord:
    name = f"{module.schema}.{module.name}"
    subject = f"{name} on {module.parent}" if module.parent else name
    return NotMigratedRecord(module.kind, subject, module.reason, module.row_count)
