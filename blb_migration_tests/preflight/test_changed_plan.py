"""A database that moved on since catalog.json: each table and column that changed, from what, to what."""

from __future__ import annotations

from dataclasses import replace

from blb_migration.model import Catalog, Table
from blb_migration.plan.build import build_plan
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.table_plans import Plan
from blb_migration.preflight.changed_plan import find_changes
from blb_migration_tests.catalogs import catalog, table

DECISIONS = parse_decisions("project: test\n", "decisions.yaml").decisions
USERS = table("users", "id int not null", "name nvarchar(50)", "active bit")
ORDERS = table("orders", "id int not null", "total decimal(18,2)")


def build(*source: Table, total: str = "numeric(18,2)") -> Plan:
    target = catalog(
        "postgres",
        table(
            "users", "id integer not null", "name character varying(90)", "active boolean", schema="public"
        ),
        table("orders", "id integer not null", f"total {total}", schema="public"),
    )
    found: Catalog = catalog("sqlserver", *source)
    return build_plan(found, target, DECISIONS)


def describe(before: Plan, now: Plan) -> dict[str, str]:
    found = list(find_changes(before, now))
    assert all(finding.decision == "run 'blb-migrate plan', then reload the definitions" for finding in found)
    return {finding.subject: finding.message for finding in found}


def test_a_changed_type_is_named_from_and_to_and_nothing_else() -> None:
    grown = table("users", "id int not null", "name nvarchar(80)", "active bit")
    assert describe(build(USERS, ORDERS), build(grown, ORDERS)) == {
        "users.name": "its type at the source was nvarchar(50) when catalog.json was written, and is"
        " nvarchar(80)"
    }
    assert describe(build(USERS, ORDERS), build(USERS, ORDERS, total="numeric(18,4)")) == {
        "orders.total": "its type in the target was numeric(18,2) when catalog.json was written, and is"
        " numeric(18,4)"
    }


def test_columns_and_tables_that_came_and_went_are_named() -> None:
    less = table("users", "id int not null", "name nvarchar(50)")
    assert describe(build(USERS, ORDERS), build(less, ORDERS)) == {
        "users.active": "the column is not loaded any more since catalog.json was written"
    }
    assert describe(build(less), build(USERS, ORDERS)) == {
        "orders": "the table is new since catalog.json was written",
        "users.active": "the column is new since catalog.json was written",
    }


def test_rows_that_came_since_change_no_plan() -> None:
    assert describe(build(USERS), build(replace(USERS, row_estimate=999))) == {}
