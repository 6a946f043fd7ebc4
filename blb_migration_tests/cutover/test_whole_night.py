"""A whole night with an application that runs: there, and back, with what was written meanwhile saved."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet
import pytest
import requests

from blb_migration.cutover.night_models import STEP_NAMES
from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.cutover.town import SCRIPT, Town


def test_there_and_back(night: Town) -> None:
    shop = night.shop
    assert shop.migrate().code == 0
    # As the ERP asks for its version: by a command in the new folder, which the switch renames.
    head = [sys.executable, "-c", "print('b07')"]
    version = {"command": head, "expected_command": {"run": head, "folder": str(night.new)}}
    night.settings["target_schema"] = {"version": version}
    night.start()
    before = shop.target("SELECT id, name FROM customers ORDER BY id")

    rehearsal = night.run("cutover")
    assert rehearsal.code == 0, rehearsal.out + rehearsal.err
    assert (
        "The night could begin" in rehearsal.out and "DB_TYPE = sqlserver becomes postgresql" in rehearsal.out
    )
    assert night.who() == "sqlserver" and not (Path(night.settings["records"])).exists()

    answer = night.run("cutover", "--execute")
    assert answer.code == 0, answer.out + answer.err
    assert night.who() == "postgresql"
    assert night.production.is_dir() and not night.new.exists()
    steps = {line.split()[0]: line.split()[1] for line in answer.out.splitlines() if line[:1].isalpha()}
    assert steps["switch"] == steps["live"] == "done" or "switch" in answer.out
    # What the smoke test wrote is gone: only what was done on the live application is there.
    assert shop.target("SELECT name FROM customers WHERE id = 1") == [(before[0][1] + "!",)]
    assert shop.target("SELECT count(*) FROM articles") == [(2,)]

    again = night.run("cutover", "--execute")
    assert again.code == 0 and again.out.count("already") == len(STEP_NAMES) - 1, again  # one is left out
    asked_again = night.run("cutover")
    assert asked_again.code == 0 and "Every step of the night is done" in asked_again.out, asked_again

    for arguments in ((), ("--dry-run",), ("schema", "--apply"), ("preflight",)):
        refused = shop.run(*arguments)
        assert refused.code == 3, (arguments, refused)
        assert "is live since" in refused.out + refused.err
        assert "blb_migration_kept" not in refused.out + refused.err

    requests.post(
        f"http://127.0.0.1:{night.port}/items", headers={"Authorization": "Bearer tok-1"}, timeout=5
    )
    shop.target("DELETE FROM lines WHERE id = 4")
    asked = night.run("rollback")
    assert asked.code == 0 and night.who() == "postgresql"
    said = " ".join(asked.out.split())
    assert said.count("would save what was written on PostgreSQL: public.articles: 1 inserted") == 1, said

    back = night.run("rollback", "--execute")
    assert back.code == 0, back.out + back.err
    said = " ".join(back.out.split())
    assert "saved: public.lines: 0 inserted, 0 changed, 1 deleted" in said, said
    assert night.who() == "sqlserver"
    assert night.production.is_dir() and night.new.is_dir()
    assert "DB_TYPE=sqlserver" in (night.new / ".env").read_text(encoding="utf-8")
    written = Path(night.settings["records"]) / "written"
    files = {path.name: path for path in written.rglob("*.parquet")}
    assert pyarrow.parquet.read_table(files["public.articles.inserted.parquet"]).to_pylist() == [
        {"id": 3, "name": "test"}
    ]
    assert pyarrow.parquet.read_table(files["public.lines.deleted.parquet"]).to_pylist() == [
        {"id": 4, "order_id": 5}
    ]
    assert "public.customers.changed.parquet" in files and "public.customers.changed_before.parquet" in files
    assert "nothing to take back" in night.run("rollback", "--execute").out
    assert_may_load_again(shop)


def assert_may_load_again(shop: Shop) -> None:
    answer = shop.run("preflight")
    assert "is live" not in answer.out + answer.err
    assert shop.target("SELECT nspname FROM pg_namespace WHERE nspname = 'blb_migration_kept'") == []


@pytest.mark.parametrize(("is_tracked", "load_is_done"), [(False, True), (True, True), (True, False)])
def test_a_write_after_the_freeze_stops_the_night_before_the_switch(
    night: Town, is_tracked: bool, load_is_done: bool
) -> None:
    """The table is named by the counters of the server, with Change Tracking and without."""
    shop = night.shop
    name = shop.source_url.split("/")[-1].split("?")[0]
    shop.servers.engine.add_login("writer", "Writes#1")
    application = shop.servers.engine.login("writer", "Writes#1", name)
    try:
        if is_tracked:
            list(application.execute(f"ALTER DATABASE {name} SET CHANGE_TRACKING = ON (AUTO_CLEANUP = ON)"))
            for table in ("articles", "customers", "orders", "lines"):
                list(application.execute(f"ALTER TABLE dbo.{table} ENABLE CHANGE_TRACKING"))
    finally:
        application.close()
    assert shop.migrate().code == 0
    night.start()
    steps = ("ready", "freeze", "backup", "target_schema", "migrate")
    for step in steps if load_is_done else steps[:-1]:
        answer = night.run("cutover", "--only", step, "--execute")
        assert answer.code == 0, (step, answer.out, answer.err)
    application = shop.servers.engine.login("writer", "Writes#1", name)
    list(application.execute("UPDATE dbo.articles SET name = 'late' WHERE id = 1"))
    application.close()
    answer = night.run("cutover", "--execute")
    assert answer.code != 0 and "the source was written to (dbo.articles)" in answer.err, answer.err
    assert night.production.is_dir() and night.new.is_dir()
    back = night.run("rollback", "--execute")
    assert back.code == 0 and night.who() == "sqlserver"


def test_a_service_that_will_not_start_leaves_a_way_on_and_a_way_back(night: Town) -> None:
    shop = night.shop
    assert shop.migrate().code == 0
    night.start()
    good = night.settings["services"][0]["start"]
    night.settings["services"][0] |= {"start": [sys.executable, "-c", "pass"], "within_seconds": "1"}
    answer = night.run("cutover", "--execute")
    assert answer.code == 1 and "1 s after its start command" in answer.err
    assert night.who() is None
    night.settings["services"][0]["start"] = good
    night.settings["services"][0]["within_seconds"] = "10"
    (night.production / "no_login").write_text("")  # and then the log-in fails
    answer = night.run("cutover", "--execute")
    assert answer.code == 1 and "step log in" in answer.err
    assert night.who() == "postgresql"
    back = night.run("rollback", "--execute")
    assert back.code == 0 and night.who() == "sqlserver", back.err


def test_a_log_in_that_fails_beside_production_names_the_low_sequence(night: Town) -> None:
    shop = night.shop
    assert shop.migrate().code == 0
    night.start()
    (night.new / "no_login").write_text("")
    answer = night.run("cutover", "--execute")
    assert answer.code == 1 and "smoke step log in: POST /login" in answer.err
    assert "Looked at:" in answer.err and "no sequence stands too low" in answer.err
    assert shop.target("SELECT name FROM customers WHERE id = 1") == [("Anna",)]  # put back
    assert "added or changed since" not in shop.run("preflight").out
    (night.new / "no_login").unlink()
    answer = night.run("cutover", "--execute")
    assert answer.code == 0, answer.err
    assert SCRIPT and night.who() == "postgresql"
