"""Whatever a person can get wrong: one clear message, the right exit code, nothing written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy.exc

from blb_migration.cli.exits import run_guarded
from blb_migration.cli.main import main
from blb_migration.errors import ExitCode
from blb_migration.masking import mask_secrets
from blb_migration_tests.cli.servers import PASSWORD, USER, Shop

LEDGER_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'blb%'"
DRIVER = "driver=ODBC+Driver+18+for+SQL+Server&TrustServerCertificate=yes"


def other_source(shop: Shop, **changes: str) -> list[str]:
    """Build the shop's URLs with parts of the source's replaced."""
    url = shop.source_url
    for old, new in changes.items():
        url = url.replace({"database": shop.source_url.split("/")[-1].split("?")[0]}.get(old, old), new)
    return ["--source-conn", url, "--target-conn", shop.target_url]


def other_target(shop: Shop, old: str, new: str) -> list[str]:
    return ["--source-conn", shop.source_url, "--target-conn", shop.target_url.replace(old, new)]


def test_no_url_at_all(shop: Shop) -> None:
    answer = shop.run(urls=[])
    assert answer.code == 2
    assert "BLB_SOURCE_CONN" in answer.err


def test_a_url_that_does_not_parse(shop: Shop) -> None:
    answer = shop.run(urls=["--source-conn", f"sa:{PASSWORD}", "--target-conn", shop.target_url])
    assert answer.code == 2


def test_a_driver_that_is_not_installed_is_no_obstacle_or_explained(shop: Shop) -> None:
    url = shop.source_url.replace("ODBC+Driver+18+for+SQL+Server", "No+Such+Driver")
    answer = shop.run(urls=["--source-conn", url, "--target-conn", shop.target_url])
    assert answer.code == 2
    assert "No Such Driver" in answer.err


def test_sides_swapped(shop: Shop) -> None:
    answer = shop.run(urls=["--source-conn", shop.target_url, "--target-conn", shop.source_url])
    assert answer.code == 2
    assert "Swap the two URLs" in answer.err


def test_the_same_database_on_both_sides(shop: Shop) -> None:
    answer = shop.run(urls=["--source-conn", shop.target_url, "--target-conn", shop.target_url])
    assert answer.code == 2


def test_the_source_is_down(shop: Shop) -> None:
    port = str(shop.servers.sql_server.port)
    answer = shop.run("--output", str(shop.report_path), urls=other_source(shop, **{f":{port}/": ":1/"}))
    assert answer.code == 4
    assert "port 1" in answer.err
    assert shop.report["stats"]["errors"] == 1
    assert shop.report["stats"]["tables_migrated"] == 0
    assert "nothing was migrated" in shop.report["verdict"].lower()


def test_the_sources_password_is_wrong(shop: Shop) -> None:
    database = shop.source_url.split("/")[-1].split("?")[0]
    url = shop.servers.sql_server.url(database, USER, "wrong")
    answer = shop.run(urls=["--source-conn", url, "--target-conn", shop.target_url])
    assert answer.code == 4
    assert "log-in" in answer.err.lower() or "login" in answer.err.lower()


def test_the_sources_database_is_missing(shop: Shop) -> None:
    url = shop.servers.sql_server.url("nowhere", USER, PASSWORD)
    answer = shop.run(urls=["--source-conn", url, "--target-conn", shop.target_url])
    assert answer.code == 4
    assert "nowhere" in answer.err


def test_the_target_is_down(shop: Shop) -> None:
    port = str(shop.servers.postgres.port)
    answer = shop.run(urls=other_target(shop, f":{port}/", ":1/"))
    assert answer.code == 5


def test_the_targets_password_is_wrong(shop: Shop) -> None:
    password = shop.target_url.split("@")[0].rsplit(":", 1)[1]
    answer = shop.run(urls=other_target(shop, password, "wrong"))
    assert answer.code == 5
    assert "password" in answer.err


def test_the_targets_database_is_missing(shop: Shop) -> None:
    database = shop.target_url.rsplit("/", 1)[1]
    answer = shop.run(urls=other_target(shop, f"/{database}", "/nowhere"))
    assert answer.code == 5
    assert "does not exist" in answer.err


def test_a_target_table_is_missing(shop: Shop) -> None:
    shop.target("DROP TABLE lines")
    answer = shop.migrate()
    assert answer.code == 3
    assert "the target has no table public.lines" in answer.err
    assert shop.target(LEDGER_SCHEMA) == []


def test_no_right_to_read_a_table(shop: Shop) -> None:
    shop.servers.engine.add_login("reader", "reads", denied_tables=["dbo.orders"])
    database = shop.source_url.split("/")[-1].split("?")[0]
    url = shop.servers.sql_server.url(database, "reader", "reads")
    answer = shop.run(urls=["--source-conn", url, "--target-conn", shop.target_url])
    assert answer.code == 3
    assert "orders" in answer.err
    assert "SELECT" in answer.err
    assert shop.target("SELECT outcome FROM blb_migration.runs") == [("refused",)]


def test_a_broken_decisions_file_is_named_with_its_line(shop: Shop) -> None:
    path = shop.folder / "decisions.yaml"
    path.write_text("project: shop\ntables:\n  orders: {skipp: because}\n", encoding="utf-8")
    answer = shop.run()
    assert answer.code == 2
    assert f"{path}, line 3" in answer.err
    assert "skipp" in answer.err


@pytest.mark.parametrize("command", ["plan", "preflight", "reconcile", "--dry-run", ""])
def test_a_total_that_cannot_be_computed_is_refused_before_anything_is_read(shop: Shop, command: str) -> None:
    path = shop.folder / "decisions.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("sum: total", "sum: status"), encoding="utf-8")
    answer = shop.run(*command.split())
    assert answer.code == 2
    assert f"{path}, line 6: sum: status has no exact answer: it is varchar(20) at the source" in answer.err
    assert shop.target(LEDGER_SCHEMA) == []


def test_a_decision_about_a_table_that_is_gone_since_the_plan_is_a_warning(shop: Shop) -> None:
    source = shop.servers.engine.databases[shop.source_url.split("/")[-1].split("?")[0]]
    source.drop_table(source.tables["dbo", "notes"])
    answer = shop.run("preflight")
    assert answer.code == 0
    assert "notes: remove the decision" in answer.out
    assert "0 errors, 1 warnings" in answer.out
    answer = shop.run("plan")
    assert answer.code == 2
    assert "decisions.yaml, line 3: tables.notes: the source has no such table" in answer.err


def test_a_project_folder_that_is_not_there(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_PROJECT", str(shop.folder / "missing"))
    assert main(["--source-conn", shop.source_url, "--target-conn", shop.target_url]) == 2
    assert "missing" in shop.capture.readouterr().err


@pytest.mark.parametrize("home", ["there/is/none", "/there/is/none"])
def test_a_dagster_home_that_is_no_folder(shop: Shop, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home)
    answer = shop.migrate()
    assert answer.code == 2
    assert f"DAGSTER_HOME: {home} is no usable Dagster instance (no absolute path to a folder" in answer.err


@pytest.mark.parametrize("output", ["missing/report.json", "."])
def test_an_output_that_cannot_be_written_is_found_before_the_run(shop: Shop, output: str) -> None:
    answer = shop.run("--output", str(shop.folder / output))
    assert answer.code == 2
    assert "--output" in answer.err
    assert shop.target(LEDGER_SCHEMA) == []


def test_an_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sauce-conn", "x"]) == 2
    assert "unknown option --sauce-conn (did you mean --source-conn?)" in capsys.readouterr().err


def test_a_url_in_the_wrong_place_is_not_repeated_with_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([f"mssql+pyodbc://sa:{PASSWORD}@host/db"]) == 2
    assert PASSWORD not in capsys.readouterr().err


def test_a_used_port_is_refused_before_anything_starts(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--ui", "--port", str(shop.servers.postgres.port)]) == 2
    assert "Name another one with --port" in capsys.readouterr().err


def fail_with_a_bug() -> ExitCode:
    raise KeyError("mssql://sa:secret@host")


def test_a_bug_is_said_in_one_line_and_its_traceback_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_guarded(fail_with_a_bug, is_debug=False) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "KeyError" in line
    assert "bug" in line
    [log] = tmp_path.glob("blb-migrate-*.log")
    assert str(log) in line
    text = log.read_text(encoding="utf-8")
    assert "fail_with_a_bug" in text
    assert "secret" not in text + line


def test_debugging_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_DEBUG", "1")
    assert run_guarded(fail_with_a_bug, is_debug=False) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "mssql://sa:secret@host/db",
        "postgresql://u:secret@h and mssql://sa:secret@x",
        "Server=x;PWD={sec}}ret;secret};Encrypt=no",
        "Password=secret;",
    ],
)
def test_passwords_are_masked_wherever_they_stand(text: str) -> None:
    assert "ecret" not in mask_secrets(text)


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "blb_migration", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("blb-migrate ")


def test_a_bug_is_said_where_no_file_takes_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    assert run_guarded(fail_with_a_bug, is_debug=False) == 1
    assert "BLB_DEBUG=1 shows the traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "/records/events.db"),
        sqlalchemy.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")),
    ],
)
def test_a_full_disk_is_no_bug(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> ExitCode:
        raise RuntimeError("a step failed") from error

    assert run_guarded(fail, is_debug=False) == 2
    said = capsys.readouterr().err
    assert "it takes no more" in said and "Free room" in said
    assert "bug" not in said
