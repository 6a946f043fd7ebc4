"""Data that the source keeps from the log-in: masked values and filtered rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from blb_migration.findings import Severity
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests import real_server
from blb_migration_tests.hazards.planting import NewChain, Planted, columns, plant, table

pytestmark = pytest.mark.skipif(
    real_server.is_wanted(), reason="masks and policies are declared in the emulator"
)

TARGET = "CREATE TABLE staff (id int PRIMARY KEY, name varchar(20), salary int)"


def plant_staff(new_chain: NewChain) -> Planted:
    staff = table("staff", *columns("id int not null", "name nvarchar(20)", "salary int"))
    rows = [{"id": number, "name": f"n{number}", "salary": number} for number in range(1, 11)]
    return plant(new_chain(), TARGET, (staff, rows))


def store_more_rows(planted: Planted, count: int) -> None:
    """Let the storage engine count more rows than any SELECT returns."""
    database = planted.chain.database
    database.tables["dbo", "staff"].row_count = count
    database.catalog_version += 1


@contextmanager
def answering_without(emulator: SqlServerEmulator, view: str) -> Iterator[None]:
    """Let the server know no such view within the block."""
    emulator.faults.add(Fault(view, error=SqlServerError(208, f"Invalid object name '{view}'.")))
    try:
        yield
    finally:
        emulator.faults.clear()


def test_s1_masked_columns_refuse_unless_the_log_in_may_unmask(new_chain: NewChain) -> None:
    planted = plant_staff(new_chain)
    planted.chain.database.masks["dbo", "staff", "salary"] = "default()"
    assert planted.is_refused("column_is_masked", 10)
    finding = planted.finding("column_is_masked")
    assert finding.subject == "staff.salary"
    assert "UNMASK" in str(finding.decision)
    skipped = planted.decide("tables: {staff: {columns: {salary: {skip: nobody needs it}}}}\n")
    assert skipped.errors() == []
    planted.chain.database.rights.add("unmask")
    assert planted.finding("column_is_masked").severity is Severity.NOTE
    planted.migrate()


def test_s1_rows_under_a_security_policy_refuse_unless_all_are_seen(new_chain: NewChain) -> None:
    planted = plant_staff(new_chain)
    database = planted.chain.database
    database.row_filters["dbo", "staff"] = "tenants_only"
    note = planted.finding("rows_are_filtered")
    assert (note.severity, note.row_count) == (Severity.NOTE, 0)
    assert "10 are stored" in note.message
    store_more_rows(planted, 14)
    assert planted.is_refused("rows_are_filtered", 4)


def test_s1_a_log_in_that_sees_no_policies_is_held_to_the_stored_rows(new_chain: NewChain) -> None:
    planted = plant_staff(new_chain)
    database = planted.chain.database
    database.rights.discard("view definition")
    assert planted.errors() == []
    store_more_rows(planted, 14)
    finding = planted.finding("rows_are_filtered")
    assert (finding.severity, finding.row_count) == (Severity.ERROR, 4)
    assert "GRANT VIEW DEFINITION" in str(finding.decision)


def test_s1_a_policy_that_is_seen_does_not_say_that_all_are(new_chain: NewChain) -> None:
    planted = plant_staff(new_chain)
    database = planted.chain.database
    other = table("offices", *columns("id int not null"))
    database.create_table(other)
    planted.chain.execute("CREATE TABLE offices (id int PRIMARY KEY)")
    database.row_filters["dbo", "offices"] = "offices_only"
    database.rights.discard("view definition")
    store_more_rows(planted, 14)
    found = {finding.subject: finding.severity for finding in planted.findings("rows_are_filtered")}
    assert found == {"staff": Severity.ERROR, "offices": Severity.NOTE}


def test_s1_where_nobody_tells_what_is_stored_the_doubt_is_said(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    planted = plant_staff(new_chain)
    planted.chain.database.rights.discard("view definition")
    with answering_without(emulator, "sys.partitions"):
        doubt = planted.finding("rows_are_filtered")
    assert doubt.severity is Severity.WARNING
    assert doubt.message.endswith("how many rows are stored: staff")
    assert "GRANT VIEW DEFINITION" in str(doubt.decision)


def test_s1_a_server_without_policies_is_not_counted_for_them(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    planted = plant_staff(new_chain)
    planted.chain.database.rights.discard("view definition")
    store_more_rows(planted, 14)
    with answering_without(emulator, "sys.security_predicates"):
        assert planted.errors() == []


def test_s1_masks_are_found_where_names_come_in_a_code_page(new_chain: NewChain) -> None:
    staff = table("личный", *columns("id int not null", "зарплата int"))
    target = 'CREATE TABLE "личный" (id int PRIMARY KEY, "зарплата" int)'
    planted = plant(new_chain(), target, (staff, [{"id": 1, "зарплата": 2}]))
    planted.chain.database.masks["dbo", "личный", "зарплата"] = "default()"
    planted.chain.database.oddities.names_in_code_page = True
    assert planted.finding("column_is_masked").severity is Severity.ERROR
