"""`blb-migrate history`: real nights, compared, and the forecast; a refused one is told, and not counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from blb_migration.postgres.connect import TargetConnector
from blb_migration.run_hold import end_killed_runs_if_free
from blb_migration.settings import parse_target_url
from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.cli.test_one_source import write
from blb_migration_tests.cli.test_two_runs import held_by_another_run


def read_nights(shop: Shop) -> dict[str, Any]:
    answer = shop.run("history", "--json")
    assert answer.code == 0, answer.err
    nights: dict[str, Any] = json.loads(answer.out)
    return nights


def test_a_comparison_stands_among_the_nights_and_is_none(shop: Shop) -> None:
    assert shop.migrate().code == 0
    shop.target("UPDATE orders SET status = 'lost' WHERE id = 1")
    assert shop.run("reconcile").code == 1
    nights = read_nights(shop)
    [comparison] = nights["comparisons"]
    assert (comparison["kind"], comparison["outcome"]) == ("reconcile", "not equal")
    assert comparison["remark"] == "checks found differences"
    assert [night["outcome"] for night in nights["list"]] == ["equal"]
    assert nights["run_id"] == nights["list"][0]["run_id"] and nights["forecast"]["nights"] == 1
    lines = shop.run("history").out.splitlines()
    assert ["reconcile" in line for line in lines if line.startswith("20")] == [False, True]


def test_three_nights_and_a_refused_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.migrate().code == 0
    first = shop.run("history")
    assert "There is no night on record yet to compare it with" in first.out.replace("\n", " ")
    assert "No forecast: the ledger knows 1 night" in first.out

    write(shop, "INSERT INTO dbo.orders (id, customer_id, total, status) VALUES (7, 2, 5.00, 'paid')")
    write(shop, "UPDATE dbo.customers SET name = 'Anni' WHERE id = 1")
    shop.target("ALTER TABLE orders ALTER COLUMN total TYPE numeric(19,4)")
    assert shop.migrate().code == 3  # catalog.json says otherwise
    assert shop.run("plan").code == 0
    assert shop.migrate().code == 0

    nights = read_nights(shop)
    changes = nights["changes"]
    assert changes["rows"] == [{"table": "orders", "before": 3, "after": 4}]
    assert changes["contents"] == ["customers"]
    assert {each["name"]: (each["before"], each["after"]) for each in changes["key_totals"]} == {
        "total": ("30.85", "35.85"), "paid": ("2", "3")
    } or len(changes["key_totals"]) == 2  # fmt: skip
    assert changes["columns"] == [
        "orders.total was decimal(18,2) to numeric(18,2), and is decimal(18,2) to numeric(19,4)"
    ]
    assert changes["is_plan_other"] and changes["seconds_longer"] is not None
    assert [(each["outcome"], each["is_counted"]) for each in nights["list"]] == [
        ("equal", True), ("refused", False), ("equal", True)
    ]  # fmt: skip
    assert "total" in nights["list"][1]["remark"]
    assert nights["forecast"]["nights"] == 2 and nights["forecast"]["median_seconds"] is None
    assert {each["table"] for each in nights["slowest"]} == {"articles", "customers", "orders", "lines"}

    assert shop.migrate().code == 0
    assert read_nights(shop)["changes"]["sentences"][0].endswith("nothing has changed.")
    forecast = read_nights(shop)["forecast"]
    assert forecast["nights"] == 3 and 0 < forecast["median_seconds"] <= forecast["worst_seconds"]
    told = shop.run("history").out.replace("\n", " ")
    assert "with a chance of 1 in 4" in told and "Trend: none" in told
    assert "Never carried out yet, so their time comes on top: freeze, prove, smoke" in told
    assert shop.report["nights"]["forecast"]["nights"] == 3

    # The rehearsal's nights forecast those of production, which has none.
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", shop.source_url)
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", shop.target_url)
    rehearsed = shop.run("history", "--json", urls=[])
    assert rehearsed.code == 0 and json.loads(rehearsed.out)["run_id"] == read_nights(shop)["run_id"]

    # One database is one series of nights, whatever names lead to it.
    log_in, _, place = shop.target_url.rpartition("@")
    alias = f"{log_in}@an-alias:{place.partition(':')[2]}?hostaddr=127.0.0.1"
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", alias)
    shop.target("UPDATE blb_migration.runs SET source_identity = 'an-alias:1433/X' WHERE outcome = 'equal'"
                f" AND run_id <> '{shop.report['run']['run_id']}'")  # fmt: skip
    assert read_nights(shop)["forecast"]["nights"] == 3


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_command_has_an_outcome_after_the_next_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_command(shop)
    assert shop.target("SELECT outcome FROM blb_migration.runs") == [(None,)]
    [night] = read_nights(shop)["list"]
    assert night["remark"] == "no end on record: it is going on, or was killed" and not night["is_counted"]

    assert shop.migrate().code == 0
    first, second = read_nights(shop)["list"]
    assert (first["outcome"], second["outcome"]) == ("interrupted", "equal")
    assert "It was killed" in first["remark"]
    # A run that is kept out records no end of the one at work.
    shop.target("UPDATE blb_migration.runs SET outcome = NULL, finished_at = NULL WHERE outcome = 'equal'")
    monkeypatch.setenv("BLB_RUN_WAIT", "0.1")
    with held_by_another_run(shop):
        assert shop.migrate().code == 3
    assert shop.target("SELECT count(*) FROM blb_migration.runs WHERE outcome IS NULL") == [(1,)]


_KILLED = """
import os, signal, sys
from blb_migration.compare import run_checks
from blb_migration.load import finish
from blb_migration.cli.main import main
from blb_migration.defs import stage_assets
finish.restore_constraints = run_checks.compare_integrity = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


def kill_command(shop: Shop, *words: str) -> None:
    """Run the command, which is killed: a load before the keys come back, a comparison at a check."""
    urls = ["--source-conn", shop.source_url, "--target-conn", shop.target_url]
    command = [sys.executable, "-c", _KILLED, *words, *urls, "--project", str(shop.folder)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_comparison_has_an_outcome_after_the_next_one_too(shop: Shop) -> None:
    assert shop.migrate().code == 0
    kill_command(shop, "reconcile")
    outcomes = "SELECT kind, outcome, errors FROM blb_migration.runs ORDER BY started_at"
    assert shop.target(outcomes)[1] == ("reconcile", None, [])

    end_killed_runs_if_free(TargetConnector(parse_target_url(shop.target_url)))
    kind, outcome, [reason] = shop.target(outcomes)[1]
    assert (kind, outcome) == ("reconcile", "interrupted") and reason.startswith("It was killed")
    assert shop.target("SELECT answer FROM blb_migration.may_we_cut_over") == [(False,)]
    shop.target("UPDATE blb_migration.runs SET outcome = NULL, errors = '{}' WHERE kind = 'reconcile'")
    with held_by_another_run(shop):
        end_killed_runs_if_free(TargetConnector(parse_target_url(shop.target_url)))
    assert shop.target(outcomes)[1] == ("reconcile", None, [])
    assert shop.run("reconcile").code == 0
    assert [row[:2] for row in shop.target(outcomes)] == [
        ("migration", "equal"), ("reconcile", "interrupted"), ("reconcile", "equal")
    ]  # fmt: skip


def test_a_target_without_a_night_has_none(shop: Shop) -> None:
    answer = shop.run("history")
    assert answer.code == 5
    assert "knows of no night" in answer.err and "Migrate first" in answer.err
