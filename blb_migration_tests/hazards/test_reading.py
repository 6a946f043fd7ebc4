"""Hazards of the way itself: connections, readers, order of rows, and what looks equal but is not."""

from __future__ import annotations

import uuid

import pytest

from blb_migration.errors import SourceUnreachable, TableFailed
from blb_migration.findings import Code
from blb_migration.preflight.stage import run_preflight
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.hazards.planting import HEAD, NewChain, columns, plant, table

ITEMS = table("items", *columns("id int not null", "amount int"))
ITEMS_TARGET = "CREATE TABLE items (id int PRIMARY KEY, amount int)"
ROWS = [{"id": number, "amount": number * 10} for number in range(1, 41)]


def test_19_guids_that_both_engines_order_differently_lose_no_row(new_chain: NewChain) -> None:
    guids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(200)]
    things = table("things", *columns("id uniqueidentifier not null", "number int"))
    rows = [{"id": guid, "number": number} for number, guid in enumerate(guids)]
    planted = plant(new_chain(), "CREATE TABLE things (id uuid PRIMARY KEY, number int)", (things, rows))
    migration = planted.migrate()
    assert {str(guid) for (guid,) in planted.rows("SELECT id FROM things")} == set(guids)
    results = planted.chain.check(migration)
    names = {c.name for result in results.values() for c in result.comparisons}
    assert names.isdisjoint({"min(id)", "max(id)"})


def test_24_an_unknown_certificate_is_refused_with_the_option_to_add(new_chain: NewChain) -> None:
    chain = new_chain()
    strict = chain.source_url.replace("&TrustServerCertificate=yes", "&Encrypt=yes")
    with (
        pytest.raises(SourceUnreachable, match="TrustServerCertificate=yes"),
        SourceConnector(parse_source_url(strict)).connect(),
    ):
        pass
    with SourceConnector(parse_source_url(strict + "&TrustServerCertificate=yes")).connect() as session:
        assert session.read_rows("SELECT 1", action="asking") == [(1,)]


def test_25_how_the_source_was_read_is_known_and_said(new_chain: NewChain) -> None:
    chain = plant(new_chain(), ITEMS_TARGET, (ITEMS, ROWS)).chain
    assert chain.preflight(HEAD).isolation == "read committed"
    migration = chain.migration(HEAD)
    wanting = type(migration)(
        migration.project,
        SourceConnector(migration.source.settings, isolation="snapshot"),
        migration.target,
        migration.run,
    )
    result = run_preflight(wanting)
    assert result.isolation == "read committed"
    [refusal] = [finding for finding in result.findings if finding.code == Code.SNAPSHOT_NOT_ALLOWED]
    assert "ALLOW_SNAPSHOT_ISOLATION ON" in str(refusal)
    assert any("ALLOW_SNAPSHOT_ISOLATION is off" in note for note in result.notes)
    chain.database.is_read_only = True  # nothing can be written to it: one moment, however it is read
    assert Code.SNAPSHOT_NOT_ALLOWED not in {finding.code for finding in run_preflight(wanting).findings}
    chain.database.is_read_only = False
    chain.database.allows_snapshot = True
    assert run_preflight(wanting).isolation == "snapshot"


@pytest.mark.parametrize(
    "fault",
    [{"error": SqlServerError(824, "a page is torn"), "error_after_rows": 25}, {"drop_after_rows": 25}],
)
def test_29_a_read_that_breaks_off_is_not_the_end_of_the_table(
    new_chain: NewChain, emulator: SqlServerEmulator, fault: dict[str, object]
) -> None:
    planted = plant(new_chain(), ITEMS_TARGET, (ITEMS, ROWS))
    emulator.faults.add(Fault(r"SELECT \[id\], \[amount\] FROM \[dbo\]\.\[items\](?! WHERE 1 = 0)", **fault))  # type: ignore[arg-type]
    try:
        with pytest.raises(TableFailed, match="items"):
            planted.chain.migrate(planted.text)
    finally:
        emulator.faults.clear()
    assert planted.rows("SELECT count(*) FROM items") == [(0,)]
    planted.migrate()
    assert planted.rows("SELECT count(*) FROM items") == [(40,)]


def test_30_one_value_changed_under_the_same_count_and_sum_is_found(new_chain: NewChain) -> None:
    planted = plant(new_chain(), ITEMS_TARGET, (ITEMS, ROWS))
    migration = planted.migrate()
    planted.rows("UPDATE items SET amount = CASE id WHEN 5 THEN 51 WHEN 7 THEN 69 ELSE amount END")
    results = planted.chain.check(migration)
    assert [name for name, result in results.items() if not result.passed] == [("items", "content")]
