"""The campaign in short: what an application changed refuses, and what merely rewrites a table does not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from blb_migration.errors import TargetNotOurs
from blb_migration.findings import Code, Severity, has_errors
from blb_migration.migration import Migration
from blb_migration.plan.project import DECISIONS_FILE, DEFAULT_PROJECT
from blb_migration.postgres.ledger.live_mark import mark_live
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import create_target
from blb_migration_tests.chain import Chain
from blb_migration_tests.conftest import LOG_IN, PASSWORD
from blb_migration_tests.faults.changed_rows import lay_grounds, mutate_ground, render

MUTATIONS = 40  # on each of five grounds


@dataclass(frozen=True)
class Loaded:
    """The sample ERP, loaded."""

    chain: Chain
    migration: Migration


@pytest.fixture(scope="module")
def erp(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres, erp_source: str
) -> Iterator[Loaded]:
    url = embedded_postgres.create_database("changed_erp")
    create_target(url)
    chain = Chain(emulator.url(erp_source, LOG_IN, PASSWORD), url, engine.databases[erp_source.lower()])
    yield Loaded(chain, chain.migrate())
    for name in ("changed_erp", "changed_erp_restored", "changed_erp_copied"):
        embedded_postgres.drop_database(name)


def test_every_real_change_refuses_and_no_rewriting_alone_does(
    erp: Loaded, embedded_postgres: EmbeddedPostgres
) -> None:
    draw = random.Random(11)
    with EmbeddedPostgres() as elsewhere:
        tallies = [
            mutate_ground(ground, MUTATIONS, draw)
            for ground in lay_grounds(embedded_postgres, elsewhere, erp.chain, erp.migration, "changed_erp")
        ]
    assert [wrong for tally in tallies for wrong in (*tally.overlooked, *tally.refused_wrongly)] == []
    assert all(tally.real_count > MUTATIONS // 3 for tally in tallies)
    assert render(tallies).count("\n| changed_erp") == 5


def test_a_second_companys_data_is_not_wiped_over_the_first_ones(erp: Loaded) -> None:
    decisions = (DEFAULT_PROJECT / DECISIONS_FILE).read_text(encoding="utf-8")
    other = decisions.replace("project: blb3d_erp", "project: second_company")
    errors = [found for found in erp.chain.preflight(other).findings if found.severity is Severity.ERROR]
    assert {finding.code for finding in errors} == {Code.TARGET_ROWS_NOT_OURS}
    assert len(errors) > 30
    assert "rows were loaded by project blb3d_erp from localhost:" in errors[0].message


def test_preflight_refuses_for_all_tables_before_anything_is_written_unless_the_target_is_disposable(
    erp: Loaded,
) -> None:
    erp.chain.execute("UPDATE users SET email = 'new@example.com' WHERE id = 1")
    erp.chain.execute(
        "DELETE FROM inventory_transactions WHERE id = (SELECT max(id) FROM inventory_transactions)"
    )
    runs = erp.chain.execute("SELECT count(*) FROM blb_migration.runs")
    found = erp.chain.preflight().findings
    errors = {finding.subject: finding for finding in found if finding.severity is Severity.ERROR}
    assert set(errors) == {"users", "inventory_transactions"}
    assert {finding.code for finding in errors.values()} == {Code.TARGET_ROWS_CHANGED_SINCE_THE_LOAD}
    assert errors["users"].first_keys == ("id=1",)
    assert errors["inventory_transactions"].message.startswith("1 of the")
    assert "--replace-changed-rows users --reason" in str(errors["users"].decision)
    assert erp.chain.execute("SELECT count(*) FROM blb_migration.runs") == runs

    decisions = (DEFAULT_PROJECT / DECISIONS_FILE).read_text(encoding="utf-8")
    identity = erp.chain.target.settings.identity
    disposable = decisions + f"\ndisposable_targets: {{'{identity}': Filled anew every night.}}\n"
    warned = {
        finding.subject: finding
        for finding in erp.chain.preflight(disposable).findings
        if finding.code is Code.TARGET_ROWS_CHANGED_SINCE_THE_LOAD
    }
    assert set(warned) == {"users", "inventory_transactions"}
    assert {finding.severity for finding in warned.values()} == {Severity.WARNING}
    assert "allowed by disposable_target: Filled anew every night." in warned["users"].message
    assert has_errors(erp.chain.preflight(disposable.replace(identity.database, "another")).findings)

    migration = erp.chain.migration(disposable)
    for label in warned:
        erp.chain.load(migration, label)
    rows = erp.chain.execute(
        "SELECT subject, row_count FROM blb_migration.decisions WHERE decision = 'disposable_target'"
        " ORDER BY 1"
    )
    assert rows == [("inventory_transactions", 0), ("users", 1)]
    assert not has_errors(erp.chain.preflight().findings)


def test_a_live_target_stays_refused_whoever_allows_it(erp: Loaded) -> None:
    with erp.chain.target.connect() as connection:
        run_id = erp.migration.run.run_id
        mark_live(connection, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")
    with pytest.raises(TargetNotOurs, match="live"):
        erp.chain.replace_changed(erp.migration, "users")
