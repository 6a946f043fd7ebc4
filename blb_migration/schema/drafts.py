"""A table on its way from the source's catalog to the target's: which column became which.

Plain shapes that ``design``, ``columns``, ``keys`` and ``foreign_keys`` hand to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Column, Table, TableName
from blb_migration.plan.decisions import Decisions, TableDecision
from blb_migration.postgres.server_features import ServerFeatures
from blb_migration.schema.naming import NameRegistry
from blb_migration.schema.translation import ColumnPair, Scope, find_pair


@dataclass(frozen=True)
class NewCollation:
    """An ICU collation to create, under which texts that differ only as ``locale`` says are equal."""

    name: TableName
    locale: str


@dataclass
class DesignContext:
    """What every part of a design needs, and what it adds to: findings, names in use."""

    decisions: Decisions
    features: ServerFeatures
    names: NameRegistry
    findings: list[Finding] = field(default_factory=list)

    def add(
        self, code: Code, severity: Severity, subject: str, message: str, decision: str | None = None
    ) -> None:
        """One more finding."""
        self.findings.append(Finding(code, severity, subject, message, decision))


@dataclass(frozen=True)
class TableDraft:
    """A source table, its target's name, and its columns by source name."""

    label: str
    source: Table
    name: TableName
    decision: TableDecision
    pairs: Mapping[str, ColumnPair]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The target columns, in the source's order."""
        return tuple(pair.target for pair in self.pairs.values())

    @property
    def scope(self) -> Scope:
        """What expressions of this table may name: every column."""
        return Scope(self.pairs)

    def target_columns(self, source_columns: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the target's names of these columns, or None when one of them is not created."""
        pairs = [self.find(name) for name in source_columns]
        return tuple(pair.target.name for pair in pairs if pair is not None) if all(pairs) else None

    def find(self, source_column: str) -> ColumnPair | None:
        """Return what became of a source column; None when it is not created."""
        return find_pair(self.pairs, source_column)
