"""One source and one target with a table per pair of types, and a migration between them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from blb_migration.checks import Comparison
from blb_migration.compare.run_checks import run_check
from blb_migration.load.prepare import prepare_target
from blb_migration.migration import Migration
from blb_migration.model import Table, TableName
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.zoo.declare import column, primary_key
from blb_migration.sandbox.zoo.zoo_rows import build_arrow
from blb_migration_tests.chain import Chain
from blb_migration_tests.conftest import LOG_IN, PASSWORD
from blb_migration_tests.types.every_type import PAIRS
from blb_migration_tests.types.pairs import Pair


@dataclass(frozen=True)
class RoundTrips:
    """Carries values of one pair of types through the whole load."""

    chain: Chain
    migration: Migration
    target: psycopg.Connection[tuple[Any, ...]]

    def carry(self, pair: Pair, values: Sequence[Any]) -> list[tuple[str | None, str | None]]:
        """Return what the target gives back as text, in order: the NOT NULL column, the other (every third
        NULL)."""
        table = build_table(pair)
        self.chain.database.execute_native(f'DELETE FROM "{table.name.name}"')
        rows = [
            {"id": number, "filled": value, "maybe": None if number % 3 == 2 else value}
            for number, value in enumerate(values)
        ]
        self.chain.database.load(table.name, build_arrow(table, rows))
        loaded = self.chain.load(self.migration, table.name.name)
        assert loaded.rows_written == len(values)
        selected = ", ".join(pair.as_text.format(name) for name in ("filled", "maybe"))
        rows_back = self.target.execute(f'SELECT {selected} FROM "{table.name.name}" ORDER BY id'.encode())
        return [(filled, maybe) for filled, maybe in rows_back]

    def find_unequal_metrics(self, pair: Pair) -> list[Comparison]:
        """Return what reconciliation says about the values carried last."""
        table = self.migration.project.plan.tables_by_label[build_table(pair).name.name]
        checks = [run_check(self.migration, table, name) for name in ("row_count", "key_totals")]
        assert len(checks[1].comparisons) >= len(table.columns)
        return [each for check in checks for each in check.comparisons if not each.match]


def write_decisions() -> str:
    """Return decisions.yaml with what each pair needs."""
    lines = ["project: types", "tables:"]
    for pair in PAIRS:
        if pair.decision is not None:
            decided = f"{{{pair.decision}, reason: a test}}"
            name = build_table(pair).name.name
            lines.append(f"  {name}: {{columns: {{filled: {decided}, maybe: {decided}}}}}")
    return "\n".join(lines) + "\n"


def build_table(pair: Pair) -> Table:
    name = f"pair {PAIRS.index(pair)}"
    return Table(
        TableName("dbo", name),
        (
            column("id", "int", required=True),
            column("filled", pair.source, required=True, collation=pair.collation),
            column("maybe", pair.source, collation=pair.collation),
        ),
        primary_key=primary_key(name, "id"),
    )


@pytest.fixture(scope="package")
def round_trips(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres
) -> Iterator[RoundTrips]:
    name = f"types_{uuid.uuid4().hex[:8]}"
    database = engine.create_database(name)
    target_url = embedded_postgres.create_database(name)
    with psycopg.connect(target_url, autocommit=True) as target:
        for pair in PAIRS:
            database.create_table(build_table(pair))
            table_name = build_table(pair).name.name
            target.execute(
                f'CREATE TABLE "{table_name}" '
                f"(id integer PRIMARY KEY, filled {pair.target} NOT NULL, maybe {pair.target})".encode()
            )
        chain = Chain(emulator.url(name, LOG_IN, PASSWORD), target_url, database)
        migration = chain.migration(write_decisions())
        assert not [finding for finding in migration.project.plan.findings if finding.severity == "error"]
        with migration.source.keeping_sessions(), migration.target.keeping_sessions():  # as a run does
            prepare_target(migration, ())
            yield RoundTrips(chain, migration, target)
    embedded_postgres.drop_database(name)
