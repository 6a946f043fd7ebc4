"""Columns that SQL Server makes something of: refused until they are skipped, or carried and said."""

from __future__ import annotations

import pytest

from blb_migration.findings import Severity
from blb_migration_tests import real_server
from blb_migration_tests.hazards.planting import NewChain, Planted, columns, plant, table

pytestmark = pytest.mark.skipif(real_server.is_wanted(), reason="declared in the emulator")


def plant_special(new_chain: NewChain, **flags: object) -> Planted:
    things = table("things", *columns("id int not null", "own varbinary(90)"))
    target = "CREATE TABLE things (id int PRIMARY KEY, own bytea)"
    planted = plant(new_chain(), target, (things, [{"id": 1, "own": b"x"}]))
    planted.chain.database.column_flags["dbo", "things", "own"] = flags
    planted.chain.database.catalog_version += 1
    return planted


@pytest.mark.parametrize("flag", ["encryption_type", "is_column_set", "graph_type"])
def test_s2_what_cannot_be_carried_refuses_until_it_is_skipped(new_chain: NewChain, flag: str) -> None:
    planted = plant_special(new_chain, **{flag: flag.startswith("is_") or 1})
    finding = planted.finding("column_is_special")
    assert (finding.severity, finding.subject) == (Severity.ERROR, "things.own")
    skipped = planted.decide("tables: {things: {columns: {own: {skip: nobody can read it}}}}\n")
    assert skipped.errors() == []
    skipped.migrate()


@pytest.mark.parametrize("flag", ["is_filestream", "generated_always_type"])
def test_s2_what_is_carried_is_said(new_chain: NewChain, flag: str) -> None:
    planted = plant_special(new_chain, **{flag: flag.startswith("is_") or 1})
    note = planted.finding("column_is_special")
    assert note.severity is Severity.NOTE
    assert "things.own" in note.message
    planted.migrate()
