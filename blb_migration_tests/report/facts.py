"""Facts of runs that never were, to compose reports of: any size, any status, any names."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from blb_migration.checks import CHECK_NAMES
from blb_migration.history.past_nights import NightDetails, NightFinding, NightTable, Past
from blb_migration.model import TableName
from blb_migration.postgres.ledger.history import RunSummary
from blb_migration.postgres.ledger.reasons import Reason, ReasonCode
from blb_migration.postgres.ledger.records import (
    CheckResult,
    FindingRecord,
    LoadedTable,
    PlannedTable,
    TableLoad,
)
from blb_migration.report.document import compose
from blb_migration.report.facts import ReportFacts, RunFacts, TableFacts
from blb_migration.report.nights_compared import NightsFacts
from blb_migration.report.sentences import Ending
from blb_migration_tests.history.nights import night

NOON = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
RUN = RunFacts(
    "run-1",
    "rehearsal",
    "shop",
    "c0ffee",
    "0.1.0",
    "mssql://sa:***@erp/SHOP",
    "postgresql://app:***@pg/shop",
    operator="anna",
    host="pc-1",
    started_at=NOON,
    finished_at=NOON + datetime.timedelta(seconds=90),
    outcome="equal",
    source_server="SQL Server 16",
    target_server="PostgreSQL 18",
    isolation="snapshot",
    source_driver="Microsoft ODBC Driver 18 18.6.2.2, the default",
)


def metric(name: str, source: str | None, target: str | None, **more: Any) -> dict[str, Any]:
    """Return a comparison as a check records it."""
    match = source == target
    return {
        "name": name,
        "source_value": source,
        "target_value": target,
        "match": match,
        "difference": None,
        "is_key_total": False,
    } | more


def loaded_table(label: str, number: int = 1, group: str = "sales", **metrics: Any) -> TableFacts:
    """Return a table that was loaded and found equal in every check; ``metrics`` by check name replace its
    own."""
    target = TableName("public", label)
    started_at = NOON + datetime.timedelta(milliseconds=10 * number)
    load = TableLoad(
        number,
        RUN.run_id,
        target,
        TableName("dbo", label),
        "finished",
        started_at,
        started_at + datetime.timedelta(milliseconds=8),
        LoadedTable(7, 7, 700, 0.008),
        1,
        None,
    )
    default: dict[str, list[dict[str, Any]]] = {"row_count": [metric("rows", "7", "7")]}
    checks = tuple(
        CheckResult(
            RUN.run_id,
            number,
            target,
            name,
            all(item["match"] for item in (default | metrics).get(name, [])),
            RUN.plan_hash,
            {"comparisons": (default | metrics).get(name, [])},
        )
        for name in CHECK_NAMES
    )
    reasons = tuple(Reason(ReasonCode.CHECK_FAILED, check.check_name) for check in checks if not check.passed)
    planned = PlannedTable(label, target, load.source_table, group, 3, CHECK_NAMES)
    return TableFacts(planned, load, checks, reasons)


def facts_of(*tables: TableFacts, **changes: Any) -> ReportFacts:
    """Return a run over these tables."""
    loads = tuple(table.load for table in tables if table.load is not None)
    is_equal = bool(tables) and not any(table.reasons for table in tables)
    return replace(ReportFacts(RUN, is_equal, tables, loads=loads), **changes)


def document_of(*tables: TableFacts, ending: Ending = Ending.COMPLETED, **changes: Any) -> dict[str, Any]:
    """Return the document over these tables."""
    return compose(facts_of(*tables, **changes), ending)


def finding(severity: str, subject: str = "orders", message: str = "something") -> FindingRecord:
    """Return a finding as the ledger has it."""
    details: dict[str, object] = {"decision": "settle it", "row_count": 3, "first_keys": ["id=1"]}
    return FindingRecord("some_code", severity, subject, message, details)


def nights_facts(count: int) -> NightsFacts:
    """Return so many good nights and a refused one before the last; the last has one of every change."""
    good = [night(number, 60.0 + number) for number in range(count)]
    refused = night(count - 1, None, "refused", errors=("orders.total: it was dropped " + "x" * 200,))
    nights = (*good[:-1], refused, good[-1])
    long_name = "a_rather_long_table_name_of_an_application"
    before = (
        NightTable("orders", 1000, 2.5, "x", {"sum(total)": "10.00"}, {"total": "money to numeric(19,4)"}),
        NightTable("gone", 1, 0.1, "x", {}, {}),
    )
    after = (
        NightTable("orders", 1200, 2.75, "y", {"sum(total)": "12.50"}, {"total": "money to numeric(12,2)"}),
        *(NightTable(f"{long_name}_{number}", 7, 0.25, "y", {}, {}) for number in range(60)),
    )
    findings = (NightFinding("wide", "warning", "orders", "said to be wide, " + "very" * 60),)
    return NightsFacts(
        Past(nights, {"freeze": (12.0,), "prove": (30.0, 40.0)}),
        NightDetails(good[-1], after, findings),
        NightDetails(good[-2], before) if count > 1 else None,
    )


def summary(number: int, mismatch_count: int = 0) -> RunSummary:
    """Return an earlier run."""
    started_at = NOON - datetime.timedelta(days=30 - number)
    ended_at = started_at + datetime.timedelta(seconds=60 + number)
    return RunSummary(
        f"run {number}", "rehearsal", started_at, ended_at, "equal", 3, 0, 1000 * number, mismatch_count, 9
    )
