"""Columns and tables that SQL Server makes something of: refused until skipped, or carried and said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blb_migration.findings import Severity
from blb_migration.preflight.stage import run_preflight
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests import real_server
from blb_migration_tests.hazards.planting import HEAD, NewChain, Planted, columns, plant, table

pytestmark = pytest.mark.skipif(real_server.is_wanted(), reason="declared in the emulator")


def plant_special(new_chain: NewChain, **flags: object) -> Planted:
    things = table("things", *columns("id int not null", "own varbinary(90)"))
    target = "CREATE TABLE things (id int PRIMARY KEY, own bytea)"
    planted = plant(new_chain(), target, (things, [{"id": 1, "own": b"x"}]))
    planted.chain.database.column_flags["dbo", "things", "own"] = flags
    planted.chain.database.catalog_version += 1
    return planted


@pytest.mark.parametrize("flag", ["encryption_type", "is_column_set"])
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


@pytest.mark.parametrize(("flag", "value"), [("is_external", True), ("ledger_type", 3)])
def test_s2_what_is_said_of_a_whole_table(new_chain: NewChain, flag: str, value: object) -> None:
    planted = plant_special(new_chain)
    planted.chain.database.table_flags["dbo", "things"] = {flag: value}
    note = planted.finding("column_is_special")
    assert (note.severity, note.message.endswith(": things")) == (Severity.NOTE, True)
    planted.migrate()


FROM = '{"type":"node","schema":"dbo","table":"person","id":7}'
INTERNAL = ("graph_id_1A", "from_obj_id_2B", "from_id_3C", "to_obj_id_4D", "to_id_5E")


def test_s2_the_ends_of_an_edge_are_carried_and_what_nobody_can_select_is_not(new_chain: NewChain) -> None:
    keys = ("$edge_id_6F", "$from_id_7A", "$to_id_8B")
    declared = [f"{name} bigint" for name in INTERNAL] + [f"{name} nvarchar(1000)" for name in keys]
    edges = table("likes", *columns(*declared, "rating int"), key=())
    row = {**dict.fromkeys(INTERNAL, 1), **dict.fromkeys(keys, FROM), "rating": 5}
    target = "CREATE TABLE likes (edge_id text, from_id jsonb, to_id text, rating int)"
    planted = plant(new_chain(), target, (edges, [row]))
    for name, graph_type in zip((*INTERNAL, *keys), (1, 4, 3, 7, 6, 2, 5, 8), strict=True):
        planted.chain.database.column_flags["dbo", "likes", name.lower()] = {"graph_type": graph_type}
    planted.chain.database.catalog_version += 1
    going = {"$edge_id_6F": "edge_id", "$from_id_7A": "from_id", "$to_id_8B": "to_id"}
    lines = [f"      {name}: {{to: {to}, reason: a test}}\n" for name, to in going.items()]
    lines += [f"      {name}: {{skip: a number inside SQL Server}}\n" for name in INTERNAL]
    decided = planted.decide("tables:\n  likes:\n    columns:\n" + "".join(lines))
    note = decided.finding("column_is_special")
    assert (note.severity, "likes.$from_id_7A" in note.message) == (Severity.NOTE, True)
    decided.migrate()
    assert decided.rows("SELECT from_id ->> 'id', to_id, rating FROM likes") == [("7", FROM, 5)]


def test_s2_an_internal_column_of_a_graph_is_refused_by_name(new_chain: NewChain) -> None:
    planted = plant_special(new_chain, graph_type=1)
    finding = planted.finding("column_is_special")
    assert (finding.severity, finding.subject) == (Severity.ERROR, "things.own")
    assert "lets nobody select" in finding.message
    skipped = planted.decide("tables: {things: {columns: {own: {skip: nobody can read it}}}}\n")
    assert skipped.errors() == []
    skipped.migrate()


def test_s2_a_memory_optimized_table_is_not_read_from_a_snapshot(new_chain: NewChain) -> None:
    planted = plant_special(new_chain)
    database = planted.chain.database
    database.table_flags["dbo", "things"] = {"is_memory_optimized": True}
    database.allows_snapshot = True
    database.catalog_version += 1
    with planted.chain.beginning(HEAD) as migration:
        snapshot = SourceConnector(migration.source.settings, isolation="snapshot")
        found = run_preflight(replace(migration, source=snapshot)).findings
    refused = [finding for finding in found if finding.code == "snapshot_not_allowed"]
    assert [(each.severity, each.subject) for each in refused] == [(Severity.ERROR, "things")]
    assert "unset BLB_SOURCE_ISOLATION" in str(refused[0].decision)
    planted.migrate()
