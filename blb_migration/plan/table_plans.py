"""What a plan is: per table its columns, conversions, parents and totals, in load order. Builds nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

from blb_migration.findings import Finding
from blb_migration.model import Table, TableName
from blb_migration.plan.columns import (
    ColumnPlan,
    ComputedPair,
    NotMigrated,
)
from blb_migration.plan.decisions_file import DecisionFault
from blb_migration.plan.key_totals import KeyTotal
from blb_migration.questions import KeyQuestion, Question


@dataclass(frozen=True)
class HiddenColumn:
    """A column, by its names on both sides, whose values decisions.yaml hides, and why."""

    source: str
    target: str
    reason: str


@dataclass(frozen=True)
class TablePlan:
    """All that is needed to load and compare one table.

    ``label`` is its name in reports, in the asset graph and on the command line. ``source_key`` are
    the source's primary key columns (empty: no usable key). ``upstream`` are labels of its parents.
    ``hidden`` are the columns of which no value is shown, wherever rows differ.
    """

    label: str
    source: Table
    target: Table
    columns: tuple[ColumnPlan, ...]
    computed: tuple[ComputedPair, ...]
    source_key: tuple[str, ...]
    group: str
    level: int
    upstream: tuple[str, ...]
    key_totals: tuple[KeyTotal, ...]
    replace_rows: str | None
    key_questions: tuple[KeyQuestion, ...] = ()
    page_questions: tuple[Question, ...] = ()
    hidden: tuple[HiddenColumn, ...] = ()

    @property
    def hidden_columns(self) -> frozenset[str]:
        """The target columns of which no value is shown."""
        return frozenset(column.target for column in self.hidden)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question preflight must ask about this table's values."""
        own = tuple(question for column in self.columns for question in column.questions)
        return (*own, *self.page_questions)


@dataclass(frozen=True)
class Plan:
    """``tables`` in load order, what is not migrated, and what was found.

    With ``faults`` in the decisions it must not be carried out: ``Project`` refuses it.
    """

    project: str
    tables: tuple[TablePlan, ...]
    not_migrated: tuple[NotMigrated, ...]
    findings: tuple[Finding, ...]
    faults: tuple[DecisionFault, ...] = ()

    @cached_property
    def tables_by_label(self) -> dict[str, TablePlan]:
        """The table plans by their labels."""
        return {table.label: table for table in self.tables}

    @property
    def target_tables(self) -> tuple[TableName, ...]:
        """The target tables that are loaded, in load order."""
        return tuple(table.target.name for table in self.tables)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over what is loaded where, how and compared how; a result counts only for its plan.

        Row estimates and sequences' positions do not enter: they change while the plan stays.
        """
        content = {
            "project": self.project,
            "tables": [
                {
                    "label": table.label,
                    "source": asdict(table.source.name),
                    "target": asdict(table.target.name),
                    "columns": [
                        [
                            column.source.name,
                            str(column.source.type),
                            column.target.name,
                            str(column.target.type),
                            column.conversion,
                            [str(decision) for decision in column.decisions],
                        ]
                        for column in table.columns
                    ],
                    "computed": [[pair.source.name, pair.target.name] for pair in table.computed],
                    "key_totals": [asdict(total) for total in table.key_totals],
                }
                for table in self.tables
            ],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
