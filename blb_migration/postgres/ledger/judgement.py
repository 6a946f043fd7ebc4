"""Asking the ledger whether a plan is equal. The rule is ``find_reasons`` in views.sql, not here.

The plan need not be on record: a run that was refused, or has not written yet, may ask as well. Needs only
SELECT. Functions raise TargetError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.ledger.ledger_sql import read
from blb_migration.postgres.ledger.reasons import Reason, ReasonCode
from blb_migration.postgres.ledger.records import PlannedTable
from blb_migration.postgres.ledger.versions import require_current_ledger
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class Judgement:
    """What speaks against a plan: reasons for each table by its label, in load order, and those of the whole.

    Reasons of the whole are foreign keys that are still dropped, and a plan without tables.
    """

    by_label: Mapping[str, tuple[Reason, ...]]
    of_the_whole: tuple[Reason, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.of_the_whole and not any(self.by_label.values())

    @property
    def dropped_keys(self) -> tuple[str, ...]:
        """The foreign keys that are still dropped, as ``schema.table.name``."""
        return tuple(f"{reason.table}.{reason.key_name}" for reason in self.of_the_whole if reason.key_name)


@dataclass(frozen=True)
class CutoverAnswer:
    """The one row of the view ``may_we_cut_over``."""

    answer: bool
    is_equal: bool
    reasons: tuple[str, ...]


def judge(connection: TargetConnection, plan_hash: str, tables: Sequence[PlannedTable]) -> Judgement:
    """Judge the target by a plan. Where there is no ledger, nothing was loaded."""
    if not require_current_ledger(connection):
        never_loaded = (Reason(ReasonCode.NO_FINISHED_LOAD),)
        return Judgement(
            {planned.label: never_loaded for planned in tables},
            () if tables else (Reason(ReasonCode.NOTHING_PLANNED),),
        )
    judged = [
        {
            "position": position,
            "table_schema": planned.table.schema,
            "table_name": planned.table.name,
            "required_checks": planned.required_checks,
        }
        for position, planned in enumerate(tables)
    ]
    rows = read(
        connection,
        "SELECT table_position, code, check_name, table_schema, table_name, key_name"
        " FROM blb_migration.find_reasons(%s, %s)",
        plan_hash,
        Jsonb(judged),
    )
    by_position: dict[int | None, list[Reason]] = {}
    for position, code, check_name, schema, name, key_name in rows:
        table = None if schema is None else TableName(schema, name)
        reason = Reason(ReasonCode(code), check_name, table, key_name)
        by_position.setdefault(position, []).append(reason)
    return Judgement(
        {planned.label: tuple(by_position.get(number, ())) for number, planned in enumerate(tables)},
        tuple(by_position.get(None, ())),
    )


def read_cutover_answer(connection: TargetConnection) -> CutoverAnswer:
    """Read the view ``may_we_cut_over``."""
    rows = read(connection, "SELECT answer, is_equal, reasons FROM blb_migration.may_we_cut_over")
    answer, is_equal, reasons = rows[0]
    return CutoverAnswer(answer, is_equal, tuple(reasons))
