"""What single steps find: backups, schema versions, low sequences, the watch, the runbook."""

from __future__ import annotations

import datetime as dt
import re
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from blb_migration.cli.cutover import open_night
from blb_migration.cli.discovery import read_databases, read_project
from blb_migration.cutover.night import Night
from blb_migration.cutover.steps.ready import ReadyStep
from blb_migration.cutover.watching import watch_once
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.postgres.log_in_facts import find_low_sequences
from blb_migration.postgres.schema_versions import read_schema_version
from blb_migration.sandbox.emulator.tsql.backup_history import record_backup
from blb_migration_tests.alerts.receivers import TOKEN, receiving_json
from blb_migration_tests.cutover.town import Town


def open_town(town: Town) -> Night:
    town.write()
    databases = read_databases(town.shop.source_url, town.shop.target_url)
    return open_night(databases, read_project(town.shop.folder), Console(quiet=True))


def test_only_a_whole_backup_after_the_freeze_counts(town: Town) -> None:
    shop = town.shop
    town.settings["ready"] = {"skip": "tested elsewhere"}
    assert town.run("cutover", "--only", "freeze", "--execute").code == 0
    msdb = shop.servers.engine.databases["msdb"]
    database = shop.servers.engine.databases[shop.source_url.split("/")[-1].split("?")[0].lower()]
    server = str(read_server_name(town))
    early = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0) - dt.timedelta(hours=5)
    late = early + dt.timedelta(days=2)

    none = town.run("cutover", "--only", "backup", "--execute")
    assert none.code == 1 and "msdb knows of no full backup" in none.err
    record_backup(msdb, database, server, finished_at=early)
    record_backup(msdb, database, server, finished_at=late, is_damaged=True)
    record_backup(msdb, database, server, finished_at=late, has_checksums=False)
    record_backup(msdb, database, server, finished_at=late, last_lsn=7)
    record_backup(msdb, database, "ANOTHER", finished_at=late)
    bad = town.run("cutover", "--only", "backup", "--execute")
    assert bad.code == 1
    for said in ("it goes to LSN 7", "without checksums", "calls it damaged"):
        assert said in bad.err
    media = (("https://a.blob/erp1.bak", 9), ("D:\\erp2.bak", 2))
    record_backup(
        msdb, database, server, finished_at=late, media=media, is_copy_only=True, key_algorithm="aes_256"
    )
    good = town.run("cutover", "--only", "backup", "--execute")
    assert good.code == 0, good.err
    for said in ("copy-only", "encrypted (aes_256)", "2 stripes", "https://a.blob/erp1.bak (URL)"):
        assert said in good.out
    again = town.run("cutover", "--only", "backup", "--execute")
    assert "already" in again.out


def read_server_name(town: Town) -> str:
    night = open_town(town)
    with night.source.connect() as session:
        [(name,)] = session.read_rows(
            "SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ServerName'))", action="asking"
        )
    return str(name)


def test_without_the_right_to_read_msdb_the_grant_is_named(town: Town) -> None:
    engine = town.shop.servers.engine
    engine.add_login("shopkeeper", "hunter2 {;}@/", denied_tables=["msdb.dbo.backupset"])
    try:
        answer = town.run("cutover", "--only", "backup")
    finally:
        engine.add_login("shopkeeper", "hunter2 {;}@/")
    assert answer.code == 3 and "GRANT SELECT ON dbo.backupset TO" in answer.out


VERSION_TABLES = {
    "alembic": ("alembic_version (version_num text)", "('a1'), ('b2')"),
    "flyway": (
        "flyway_schema_history (installed_rank int, version text, description text, success bool)",
        "(1, '1', 'x', true), (2, '2', 'y', false)",
    ),
    "ef": ('"__EFMigrationsHistory" ("MigrationId" text)', "('2024_a'), ('2025_b')"),
    "django": (
        "django_migrations (id int, app text, name text)",
        "(1, 'a', '0001'), (2, 'a', '0002'), (3, 'b', '0001')",
    ),
    "own.versions": ("own.versions (v int)", "(7)"),
}


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("alembic", "a1, b2"),
        ("flyway", "2 failed"),
        ("ef", "2025_b"),
        ("django", "a.0002, b.0001"),
        ("own.versions", "7"),
    ],
)
def test_each_tool_s_version_is_read(town: Town, kind: str, version: str) -> None:
    night = open_town(town)
    table, rows = VERSION_TABLES[kind]
    name = table.split(" ", maxsplit=1)[0]
    column = "v" if "." in kind else None
    with night.target.connect() as connection:
        assert read_schema_version(connection, kind, column) is None
        connection.execute("CREATE SCHEMA own")
        connection.execute(f"CREATE TABLE {table}; INSERT INTO {name} VALUES {rows}".encode())
        found = read_schema_version(connection, kind, column)
    assert found is not None
    assert found.text + ("" if found.is_whole else " failed") == version


def test_another_schema_version_and_a_drifted_schema_stop_the_night(town: Town) -> None:
    shop = town.shop
    assert shop.migrate().code == 0
    shop.target("CREATE TABLE alembic_version (version_num text)")
    shop.target("INSERT INTO alembic_version VALUES ('old')")
    town.settings["target_schema"] = {"version": {"table": "alembic", "expected": "new"}}
    answer = town.run("cutover", "--only", "target_schema")
    assert answer.code == 3 and "it is old, new is expected" in answer.out
    assert "as in run" in answer.out
    shop.target("ALTER TABLE articles ALTER COLUMN name SET NOT NULL")
    answer = town.run("cutover", "--only", "target_schema")
    assert "public.articles.name is another" in answer.out


def test_a_sequence_that_stands_too_low_is_found(town: Town) -> None:
    town.shop.target("CREATE TABLE users (id serial PRIMARY KEY)")
    town.shop.target("INSERT INTO users VALUES (5)")
    night = open_town(town)
    tables = [table for table in night.read_live_project().target.tables if table.name.name == "users"]
    with night.target.connect() as connection:
        assert list(find_low_sequences(connection, tables)) == ["public.users.id"]
        connection.execute("SELECT setval('users_id_seq', 5)")
        assert list(find_low_sequences(connection, tables)) == []


def test_the_watch_tells_what_is_new_since_the_last_look(town: Town, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("ERROR old\n")
    town.settings["services"] = []
    town.settings["watch"] = {
        "logs": [{"file": str(tmp_path / "*.log")}],
        "idle_minutes": "0",
        "sequence_percent": "80",
    }
    town.shop.target("CREATE SEQUENCE near AS smallint")
    town.shop.target("SELECT setval('near', 30000)")
    night = open_town(town)
    with night.target.connect() as connection:
        create_ledger(connection)
    first = watch_once(night)
    assert any("sequence public.near is used up to 91" in alert for alert in first.alerts)
    assert not any("old" in alert for alert in first.alerts)
    with log.open("a") as file:
        file.write("INFO fine\nERROR new trouble\n")
    (tmp_path / "rotated.log").write_text("ERROR in a new file\n")
    with psycopg.connect(town.shop.target_url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 1/0")
    second = watch_once(night)
    page = (night.records / "watch.html").read_text(encoding="utf-8")
    assert "alerts</b>" in page and "ERROR new trouble" in page and "ERROR old" not in page
    assert re.search(r'http-equiv="refresh" content="60"', page)
    assert page.count("<tr") >= 2 + 2 and "<script" not in page  # a row for either look
    assert any("1 new errors, first: ERROR new trouble" in alert for alert in second.alerts)
    assert any("rotated.log: 1 new errors, first: ERROR in a new file" in alert for alert in second.alerts)
    assert any("nothing was written for" in alert for alert in second.alerts)


def test_a_sequence_is_nearly_used_up_where_its_column_is(town: Town) -> None:
    """A sequence counts in 8 bytes, an integer column ends long before."""
    town.settings["services"] = []
    for statement in (
        "CREATE SEQUENCE of_default",
        "CREATE TABLE by_default (id integer PRIMARY KEY DEFAULT nextval('of_default'))",
        "CREATE TABLE owning (id smallint, big bigint GENERATED ALWAYS AS IDENTITY)",
        "CREATE SEQUENCE of_owner OWNED BY owning.id",
        "CREATE SEQUENCE of_nobody",
        "SELECT setval('of_default', 2000000000), setval('of_owner', 31000), setval('of_nobody', 2000000000)",
        "SELECT setval('owning_big_seq', 2000000000)",
    ):
        town.shop.target(statement)
    alerts = watch_once(open_town(town)).alerts
    assert [alert for alert in alerts if "sequence" in alert] == [
        "sequence public.of_owner is used up to 94.6 %",
        "sequence public.of_default is used up to 93.1 %",
    ]


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(town: Town, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("INFO started\nINFO half")
    town.settings |= {"services": [], "watch": {"logs": [{"file": str(log)}]}}
    night = open_town(town)
    with night.target.connect() as connection:
        create_ledger(connection)
    assert watch_once(night).alerts == ()
    for written, seen in ((" a line\nERR", []), ("OR whole\n", ["ERROR whole"]), ("INFO fine\n", [])):
        with log.open("a") as file:
            file.write(written)
        found = [str(alert) for alert in watch_once(night).alerts]
        assert found == [f"{log}: 1 new errors, first: {line}" for line in seen]


def test_the_watch_sends_what_begins_to_be_alarming_once_and_when_it_is_quiet(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "app.log"
    log.write_text("started\n")
    town.settings["services"] = []
    town.settings["watch"] = {"logs": [{"file": str(log)}], "idle_minutes": "60"}
    town.shop.target("CREATE SEQUENCE near AS smallint")
    night = open_town(town)
    with night.target.connect() as connection:
        create_ledger(connection)
    with receiving_json() as webhook:
        monkeypatch.setenv("BLB_ALERT_URLS", webhook.url)
        watch_once(night)
        assert webhook.take() == []
        town.shop.target("SELECT setval('near', 30000)")
        with log.open("a") as file:
            file.write("ERROR of geheim@example.com\n")
        assert len(watch_once(night).alerts) == 2
        [post] = webhook.take()
        assert post["title"] == f"shop: the watch after the cutover: errors in {log} and 1 more"
        assert "1 new errors" in post["message"] and "used up to 91" in post["message"]
        assert "geheim" not in post["message"] and "blb-migrate rollback" in post["message"]
        for _ in range(2):  # it goes on: nothing more is said
            assert len(watch_once(night).alerts) == 1
        assert webhook.take() == []
        # What cannot be sent is kept, and sent by a later look.
        webhook.is_down = True
        town.shop.target("SELECT setval('near', 5)")
        [unsent] = watch_once(night).alerts
        assert "nobody was told: not sent, and tried again" in unsent and TOKEN not in unsent
        webhook.is_down = False
        later = replace(night, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1))
        assert watch_once(later).alerts == ()
        [post] = webhook.take()
        assert post["title"].endswith("quiet again") and "sequence public.near" in post["message"]
    told = (night.records / "watch-alerts.json").read_text(encoding="utf-8")
    assert TOKEN not in told and "geheim" not in told


@pytest.mark.parametrize(("hours", "said"), [(-30, "behind"), (3, "ahead of")])
def test_a_clock_that_differs_from_the_targets_is_said(town: Town, hours: int, said: str) -> None:
    night = open_town(town)
    off = replace(night, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours))
    [about_clock] = [answer for answer in ReadyStep().check(off) if answer.about == "clock"]
    assert said in about_clock.found
    assert [answer for answer in ReadyStep().check(night) if answer.about == "clock"] == []


def test_a_line_of_the_runbook_is_ticked_by_a_person(town: Town) -> None:
    answer = town.run("runbook", "--tick", "people", "--by", "Ana", "--note", "see the mail")
    assert answer.code == 0 and "[x] people:" in answer.out and "(Ana, " in answer.out
    assert "see the mail" in answer.out and "[?] rights:" in answer.out and "[ ] freeze:" in answer.out
    ticks = town.shop.target("SELECT details ->> 'by' FROM blb_migration.night_lines WHERE event = 'ticked'")
    assert ticks == [("Ana",)]
    assert town.run("runbook", "--tick", "poeple", "--by", "Ana").code == 2
    assert town.run("runbook", "--tick", "people").code == 2
    # What a step answers is not done by a person's word; but the watch may be Dagster's schedule.
    own_word = town.run("runbook", "--tick", "smoke", "--by", "Ana")
    assert own_word.code == 2 and "done when step smoke is" in own_word.err
    assert "[x] watch:" in town.run("runbook", "--tick", "watch", "--by", "Ana").out


def test_what_was_ticked_for_a_night_that_was_taken_back_is_ticked_anew(town: Town) -> None:
    town.settings["ready"] = {"skip": "tested elsewhere"}
    for line in ("people", "announced"):
        assert f"[x] {line}:" in town.run("runbook", "--tick", line, "--by", "Ana").out
    assert town.run("cutover", "--only", "freeze", "--execute").code == 0
    assert "[x] announced:" in town.run("runbook").out
    assert town.run("rollback", "--execute").code == 0
    said = town.run("runbook").out
    assert "[?] announced:" in said and "[x] people:" in said
    assert "[x] announced:" in town.run("runbook", "--tick", "announced", "--by", "Ana").out


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a folder that is a volume of its own")
def test_a_folder_that_is_a_link_or_on_another_volume_is_refused_in_the_asking(
    town: Town, tmp_path: Path
) -> None:
    town.settings["ready"] = {"skip": "tested elsewhere"}
    town.settings["switch"] = {"production": str(tmp_path / "link"), "new": str(town.new)}
    (tmp_path / "link").symlink_to(town.production)
    linked = town.run("cutover", "--only", "switch")
    assert linked.code == 3 and "link is a link" in " ".join(linked.out.split()), linked
    own = town.production.stat().st_dev
    other = next(each for each in ("/dev/shm", "/dev/pts") if Path(each).stat().st_dev != own)
    for production, new, elsewhere in (
        ("/dev/shm", "/dev/pts", "/dev/shm is on another volume than /dev"),
        (str(town.production), other, f"{other} is on another volume than"),
    ):
        town.settings["switch"] = {"production": production, "new": new}
        answer = town.run("cutover", "--only", "switch")
        assert answer.code == 3 and elsewhere in " ".join(answer.out.split()), answer


def test_where_the_freeze_is_left_out_a_backup_since_the_step_began_counts(town: Town) -> None:
    msdb = town.shop.servers.engine.databases["msdb"]
    name = town.shop.source_url.split("/")[-1].split("?")[0].lower()
    database, server = town.shop.servers.engine.databases[name], str(read_server_name(town))
    town.settings |= {
        "ready": {"skip": "tested elsewhere"},
        "freeze": {"skip": "the application is off for good"},
    }
    early = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0) - dt.timedelta(hours=5)
    record_backup(msdb, database, server, finished_at=early)
    none = town.run("cutover", "--execute")
    assert none.code == 1 and "it finished before the step began" in none.err, none.err
    # An operator takes one, and gives the command again a while later.
    record_backup(msdb, database, server, finished_at=early + dt.timedelta(hours=5, seconds=2))
    time.sleep(3)
    good = town.run("cutover", "--only", "backup", "--execute")
    assert good.code == 0, good.err
