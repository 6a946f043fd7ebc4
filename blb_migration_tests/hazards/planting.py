"""How a hazard is planted: source tables with rows, the target's DDL, and what preflight says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import pytest

from blb_migration.errors import PreflightRefused
from blb_migration.findings import Finding, Severity
from blb_migration.migration import Migration
from blb_migration.model import Column, ForeignKey, Table, TableName
from blb_migration.postgres.scratch_copies import SCRATCH_PREFIX
from blb_migration.preflight.stage import PreflightResult, refuse_if_errors, run_preflight
from blb_migration.sandbox.zoo.declare import column, primary_key
from blb_migration.sandbox.zoo.zoo_rows import build_arrow
from blb_migration_tests.chain import Chain

HEAD = "project: hazards\n"
NewChain = Callable[[], Chain]
Row = dict[str, Any]


def columns(*specs: str, **more: Any) -> tuple[Column, ...]:
    """``"price decimal(18,4) not null"`` as columns; ``more`` goes to each of them."""
    return tuple(
        column(name, declared.removesuffix(" not null"), required=declared.endswith("not null"), **more)
        for name, _, declared in (spec.partition(" ") for spec in specs)
    )


def table(name: str, *own: Column, key: Sequence[str] = ("id",), **more: Any) -> Table:
    """dbo.name; its key is ``id`` unless told otherwise, () for none."""
    return Table(TableName("dbo", name), own, primary_key(name, *key) if key else None, **more)


def refers(own: Sequence[str], parent: str, referred: Sequence[str], **more: Any) -> ForeignKey:
    """Return a foreign key onto dbo.parent."""
    return ForeignKey(f"FK_{parent}", tuple(own), TableName("dbo", parent), tuple(referred), **more)


@dataclass(frozen=True)
class Planted:
    """A chain with its source and target filled, under ``decisions`` (without the file's head)."""

    chain: Chain
    decisions: str = ""

    @property
    def text(self) -> str:
        return HEAD + self.decisions

    def findings(self, code: str) -> list[Finding]:
        """Return what preflight found under this code."""
        return [finding for finding in self.chain.preflight(self.text).findings if finding.code == code]

    def finding(self, code: str) -> Finding:
        """Return the only finding under this code."""
        return find_only(code, self.chain.preflight(self.text))

    def errors(self) -> list[str]:
        """Return the codes of what refuses the migration."""
        found = self.chain.preflight(self.text).findings
        return [finding.code for finding in found if finding.severity is Severity.ERROR]

    def is_refused(self, code: str, rows: int, *keys: str) -> bool:
        """Whether preflight refuses because of this one error, with this count and these keys first.

        A dry run must be refused for the same.
        """
        with self.chain.beginning(self.text) as migration:
            result = run_preflight(migration)
            found = find_only(code, result)
            rehearsed = replace(migration, project=replace(migration.project, scratch_prefix=SCRATCH_PREFIX))
            assert found in run_preflight(rehearsed).findings, "a dry run does not find it"
        with pytest.raises(PreflightRefused):
            refuse_if_errors(result)
        ledger = self.chain.execute("SELECT to_regclass('blb_migration.runs') IS NOT NULL")
        assert ledger == [(False,)], "something was written"
        return (found.severity, found.row_count, found.first_keys) == (Severity.ERROR, rows, keys)

    def decide(self, decisions: str) -> Planted:
        """Return the same under other decisions."""
        return Planted(self.chain, decisions)

    def migrate(self) -> Migration:
        """Return the whole way; every check must pass."""
        migration = self.chain.migrate(self.text)
        results = self.chain.check(migration)
        differing = {
            key: [c for c in result.comparisons if not c.match]
            for key, result in results.items()
            if not result.passed
        }
        assert differing == {}
        return migration

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what the target answers."""
        return self.chain.execute(statement)

    def changed_rows(self) -> dict[str, int]:
        """How many rows each decision about values changed, by subject, as the ledger says."""
        return dict(
            self.chain.execute(
                "SELECT subject, row_count FROM blb_migration.decisions WHERE decision NOT IN ('skip')"
            )
        )


def find_only(code: str, result: PreflightResult) -> Finding:
    """Return the only finding under this code."""
    matching = [finding for finding in result.findings if finding.code == code]
    assert len(matching) == 1, [str(finding) for finding in result.findings]
    return matching[0]


def plant(chain: Chain, target: str, *tables: tuple[Table, Sequence[Row]], decisions: str = "") -> Planted:
    """Create and fill the source's tables, and run the target's DDL."""
    for source_table, rows in tables:
        chain.database.create_table(source_table)
        if rows:
            chain.database.load(source_table.name, build_arrow(source_table, rows))
    chain.execute(target)
    return Planted(chain, decisions)


def decide(table_name: str, column_name: str, decision: str) -> str:
    """decisions.yaml's lines for one column."""
    return f"tables: {{{table_name}: {{columns: {{{column_name}: {{{decision}, reason: a test}}}}}}}}\n"


def plant_one(new_chain: NewChain, source: str, target: str, *values: Any, before: str = "") -> Planted:
    """One column ``v`` of each type, with these values at 1, 2, 3, …"""
    things = table("things", *columns("id int not null", f"v {source}"))
    rows = [{"id": number, "v": value} for number, value in enumerate(values, 1)]
    return plant(new_chain(), f"{before}CREATE TABLE things (id int PRIMARY KEY, v {target})", (things, rows))


def loaded(planted: Planted) -> list[Any]:
    planted.migrate()
    return [value for (value,) in planted.rows("SELECT v FROM things ORDER BY id")]


def assert_loaded(new_chain: NewChain, *columns_loaded: tuple[str, str, list[Any], list[Any]]) -> None:
    """Each column's source type, target type and values; what must arrive. All in one table."""
    names = [f"v{number}" for number in range(len(columns_loaded))]
    sources, targets, values, expected = zip(*columns_loaded, strict=True)
    specs = [f"{name} {source}" for name, source in zip(names, sources, strict=True)]
    things = table("things", *columns("id int not null", *specs))
    rows = [
        {"id": number, **dict(zip(names, row, strict=True))}
        for number, row in enumerate(zip_longest(*values), 1)
    ]
    declared = ", ".join(f"{name} {target}" for name, target in zip(names, targets, strict=True))
    planted = plant(new_chain(), f"CREATE TABLE things (id int PRIMARY KEY, {declared})", (things, rows))
    planted.migrate()
    arrived = planted.rows(f"SELECT {', '.join(names)} FROM things ORDER BY id")
    assert arrived == list(zip_longest(*expected))
