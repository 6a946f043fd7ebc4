"""A live target and the real web server: what a browser launches is refused until the night is taken back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.live_mark import mark_live, withdraw_live_mark
from blb_migration.processes import has_shared_locks
from blb_migration.settings import parse_target_url
from blb_migration_tests.cli.served_ui import Ui, open_ui
from blb_migration_tests.cli.servers import Shop

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="ends the UI by a signal of a terminal"),
    pytest.mark.skipif(not has_shared_locks(), reason="no /dev/shm: Dagster's code server starts no run"),
]

LOADS = "SELECT count(*) FROM blb_migration.table_loads WHERE status = 'finished'"


def test_what_is_launched_in_a_browser_is_refused_while_live_and_not_after_a_rollback(
    shop: Shop, tmp_path: Path
) -> None:
    other = tmp_path / "another_machine"
    other.mkdir()
    for name in ("decisions.yaml", "catalog.json"):
        shutil.copy(shop.folder / name, other)
    with open_ui(shop, tmp_path / "home") as ui, open_ui(shop, tmp_path / "home_2", other) as elsewhere:
        shop.target("ALTER TABLE orders ADD CONSTRAINT small CHECK (total + 0 < 15)")
        failed = ui.launch("migration")
        assert ui.await_end(failed) == "FAILURE" and "small" in ui.read_failures(failed)
        shop.target("ALTER TABLE orders DROP CONSTRAINT small")
        assert ui.await_end(ui.launch("migration")) == "SUCCESS"
        ways: dict[str, tuple[Ui, Callable[[], str]]] = {
            "what failed before, executed again": (ui, lambda: ui.launch_again(failed)),
            "one table": (ui, lambda: ui.launch("migration", assets=["customers"])),
            "the job": (ui, lambda: ui.launch("migration")),
            "the job in another home, of another folder": (elsewhere, lambda: elsewhere.launch("migration")),
        }
        name = shop.target("SELECT current_database()")[0][0]
        set_mark(shop)
        loads = shop.target(LOADS)
        for way, (where, launch) in ways.items():
            run_id = launch()
            assert where.await_end(run_id) == "FAILURE", way
            said = " ".join(where.read_failures(run_id).split())
            assert f"database {name} was cut over and is live since" in said, (way, said)
            assert "by ana on erp-01" in said and "'blb-migrate rollback'" in said, (way, said)
            assert shop.target(LOADS) == loads, way
        assert ui.await_end(ui.launch("reconcile")) == "SUCCESS"  # only reads

        with TargetConnector(parse_target_url(shop.target_url)).connect() as connection:
            assert withdraw_live_mark(connection)
        for way, (where, launch) in ways.items():
            before = shop.target(LOADS)
            run_id = launch()
            assert where.await_end(run_id) == "SUCCESS", (way, where.read_failures(run_id))
            assert shop.target(LOADS) > before, way


def set_mark(shop: Shop) -> None:
    with TargetConnector(parse_target_url(shop.target_url)).connect() as connection:
        [(run_id,)] = connection.execute("SELECT run_id FROM blb_migration.runs LIMIT 1").fetchall()
        mark_live(connection, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")
