"""A source, a target and the migration between them, for tests that go the whole way.

A ``Chain`` is a database of the emulator and a fresh PostgreSQL database; its methods are the stages as
the product runs them. Nothing here knows Dagster or the command line.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from blb_migration.compare.run_checks import CHECK_NAMES, CheckResult, run_check
from blb_migration.load.finish import restore_constraints
from blb_migration.load.prepare import prepare_target
from blb_migration.load.table import TableLoad, load_table
from blb_migration.migration import Migration, Replacing, RunInfo
from blb_migration.plan.decisions_file import parse_decisions, read_decisions
from blb_migration.plan.project import DECISIONS_FILE, DEFAULT_PROJECT, Project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.preflight.stage import PreflightResult, refuse_if_errors, run_preflight
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector


@dataclass(frozen=True)
class Chain:
    """One pair of databases. ``database`` is the emulator's, to plant values in."""

    source_url: str
    target_url: str
    database: Database

    @property
    def source(self) -> SourceConnector:
        return SourceConnector(parse_source_url(self.source_url))

    @property
    def target(self) -> TargetConnector:
        return TargetConnector(parse_target_url(self.target_url))

    def project(self, decisions: str | None = None) -> Project:
        """Both catalogs as they are now, under ``decisions`` (None: the ERP's own)."""
        return self.migration(decisions).project

    def migration(self, decisions: str | None = None) -> Migration:
        """Return a new run of the project."""
        with self.beginning(decisions) as migration:
            return migration

    @contextmanager
    def beginning(self, decisions: str | None) -> Iterator[Migration]:
        """Yield a new run that keeps its sessions within the block, from the catalogs on, as a run does."""
        source, target = self.source, self.target
        with source.keeping_sessions(), target.keeping_sessions():
            with source.connect() as session:
                source_tables = source_catalog.read_catalog(session)
            with target.connect() as connection:
                target_tables = target_catalog.read_catalog(connection)
            if decisions is None:
                file = read_decisions(DEFAULT_PROJECT / DECISIONS_FILE)
            else:
                file = parse_decisions(decisions, DECISIONS_FILE)
            project = Project(Path("test"), file, source_tables, target_tables)
            yield Migration(project, source, target, RunInfo(str(uuid.uuid4()), "migration"))

    def preflight(self, decisions: str | None = None) -> PreflightResult:
        """Return what preflight finds now."""
        with self.beginning(decisions) as migration:
            return run_preflight(migration)

    def migrate(self, decisions: str | None = None) -> Migration:
        """Everything but the checks; raises what the stages raise."""
        with self.beginning(decisions) as migration:
            result = run_preflight(migration)
            refuse_if_errors(result)
            prepare_target(migration, result.findings, result.facts)
            for table in migration.project.plan.tables:
                load_table(migration, table)
            restore_constraints(migration)
            return migration

    def load(self, migration: Migration, label: str) -> TableLoad:
        """One table again."""
        return load_table(migration, migration.project.plan.tables_by_label[label])

    def replace_changed(self, migration: Migration, label: str) -> TableLoad:
        """One table again, whoever has changed its rows."""
        replacing = Replacing(frozenset({label}), "A test changed them")
        return self.load(replace(migration, replacing=replacing), label)

    def check(self, migration: Migration) -> dict[tuple[str, str], CheckResult]:
        """Every check of every table, by (label, check name)."""
        with migration.source.keeping_sessions(), migration.target.keeping_sessions():
            return {
                (table.label, name): run_check(migration, table, name)
                for table in migration.project.plan.tables
                for name in CHECK_NAMES
            }

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run SQL on the target and return its rows, if it has any."""
        with psycopg.connect(self.target_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []
