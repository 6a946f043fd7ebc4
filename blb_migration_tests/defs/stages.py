"""Stages that do nothing but take notes, so that the graph's own rules can be tested in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from blb_migration.compare import run_checks as checks
from blb_migration.compare.run_checks import CheckResult, Comparison
from blb_migration.defs.connectors import Connectors
from blb_migration.findings import Finding
from blb_migration.load import finish, prepare, table
from blb_migration.load.finish import RestoredConstraints
from blb_migration.load.prepare import PreparedTarget
from blb_migration.load.table import TableLoad
from blb_migration.migration import Migration, ProgressListener, TableProgress
from blb_migration.model import Table
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.dropping.foreign_key_drops import KeyListener
from blb_migration.postgres.ledger.records import ServerFacts
from blb_migration.preflight import stage as preflight
from blb_migration.preflight.stage import PreflightResult
from blb_migration.report import document, ending, target_status
from blb_migration.report.facts import ReportFacts, RunFacts
from blb_migration.report.sentences import Ending
from blb_migration.run_hold import TargetHold
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.settings.environments import Environment
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.catalogs import catalog
from blb_migration_tests.catalogs import table as build_table


def connect_to_nothing(_environment: Environment) -> Connectors:
    """Connectors for stages that never open a session with them."""
    return Connectors(
        SourceConnector(parse_source_url("mssql+pyodbc://reader:x@nowhere/shop")),
        TargetConnector(parse_target_url("postgresql://owner:x@nowhere/shop")),
    )


def build_project(*source: Table, decisions: str = "") -> Project:
    """Build a project whose target looks like its source, in schema public where the source has dbo."""
    target = [
        build_table(
            item.name.name,
            *(f"{column.name} integer{'' if column.nullable else ' not null'}" for column in item.columns),
            references={key.columns[0]: key.referred_table.name for key in item.foreign_keys},
            schema="public" if item.name.schema == "dbo" else item.name.schema,
        )
        for item in source
    ]
    text = f"project: tiny\n{decisions}"
    return Project(
        Path("tiny"),
        parse_decisions(text, "decisions.yaml"),
        catalog("sqlserver", *source),
        catalog("postgres", *target),
    )


def build_shop() -> Project:
    """Build customers <- orders <- lines, and articles on its own."""
    return build_project(
        build_table("articles", "id int not null"),
        build_table("customers", "id int not null"),
        build_table("orders", "id int not null", "customer_id int", references={"customer_id": "customers"}),
        build_table("lines", "id int not null", "order_id int", references={"order_id": "orders"}),
        decisions="groups: {sales: [customers, orders, lines]}\nowners: {sales: ['team:sales']}\n",
    )


@dataclass
class Stages:
    """What the stages were asked to do, and what they shall answer."""

    loads: list[str] = field(default_factory=list)
    checks: list[tuple[str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    migrations: list[Migration] = field(default_factory=list)
    recorded_findings: list[Finding] = field(default_factory=list)
    recorded_facts: ServerFacts | None = None
    findings: tuple[Finding, ...] = ()
    load_errors: dict[str, list[Exception]] = field(default_factory=dict)
    verdicts: int = 0
    failing_checks: set[tuple[str, str]] = field(default_factory=set)

    def run_preflight(self, migration: Migration) -> PreflightResult:
        self.others.append("preflight")
        self.migrations.append(migration)
        return PreflightResult(
            self.findings, "SQL Server 16", "PostgreSQL 18", "read committed", (), migration.project
        )

    def prepare_target(
        self, migration: Migration, findings: tuple[Finding, ...], facts: ServerFacts | None = None
    ) -> PreparedTarget:
        self.others.append("target_prepared")
        self.recorded_findings = list(findings)
        self.recorded_facts = facts
        return PreparedTarget(("public.orders.fk",))

    def load_table(
        self, migration: Migration, table: TablePlan, on_progress: ProgressListener | None = None
    ) -> TableLoad:
        self.loads.append(table.label)
        self.migrations.append(migration)
        if self.load_errors.get(table.label):
            raise self.load_errors[table.label].pop(0)
        if on_progress is not None:
            on_progress(TableProgress(table.label, 3, 3, 100, 0.5))
        return TableLoad(table.label, 1, 3, 3, 100, 90, 0.5, 4)

    def run_check(self, migration: Migration, table: TablePlan, name: str) -> CheckResult:
        self.checks.append((table.label, name))
        passed = (table.label, name) not in self.failing_checks
        actual = "3" if passed else "2"
        comparison = Comparison("rows", "3", actual, passed, "0" if passed else "-1")
        return CheckResult(table.label, name, passed, (comparison,))

    def restore_constraints(
        self, migration: Migration, on_key: KeyListener | None = None
    ) -> RestoredConstraints:
        self.others.append("constraints_restored")
        return RestoredConstraints(())

    def build_report(self, migration: Migration, findings: object = (), errors: object = ()) -> object:
        self.others.append("reconciliation_report")
        run = RunFacts("run", "rehearsal", "tiny", "hash", "0.1.0", "mssql://source", "postgresql://target")
        report = document.compose(ReportFacts(run), Ending.COMPLETED)
        stats = report["stats"] | {"tables_migrated": len(self.loads)}
        return report | {"stats": stats, "verdict": "Equal."}

    def read_target_status(self, _target: TargetConnector) -> target_status.TargetStatus:
        self.verdicts += 1
        run = RunFacts("run", "rehearsal", "tiny", "hash", "0.1.0", "mssql://source", "postgresql://target")
        return target_status.TargetStatus(document.compose(ReportFacts(run), Ending.COMPLETED), True, ())

    def take_the_place_of_the_real_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight, "run_preflight", self.run_preflight)
        monkeypatch.setattr(prepare, "prepare_target", self.prepare_target)
        monkeypatch.setattr(table, "load_table", self.load_table)
        monkeypatch.setattr(checks, "run_check", self.run_check)
        monkeypatch.setattr(finish, "restore_constraints", self.restore_constraints)
        monkeypatch.setattr(finish, "restore_after_run", lambda *_, **__: RestoredConstraints(()))
        monkeypatch.setattr(document, "build_report", self.build_report)
        monkeypatch.setattr(TargetHold, "ensure", lambda _: None)
        monkeypatch.setattr(target_status, "read_target_status", self.read_target_status)
        for name in ("record_ending", "record_failures"):
            monkeypatch.setattr(ending, name, lambda *_, **__: None)
