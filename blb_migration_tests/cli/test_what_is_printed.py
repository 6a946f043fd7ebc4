"""What a run prints: what a person must know, each thing once."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from blb_migration.cli import outcome
from blb_migration.errors import (
    SourceError,
    SourceUnreachable,
    TableFailed,
    TargetUnreachable,
    describe_causes,
)
from blb_migration.migration import Migration, RunInfo
from blb_migration.plan.project import load_project
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.runs import finish_run, read_run
from blb_migration.report.finding_groups import describe_findings
from blb_migration.run_entry import ensure_run
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.cli.servers import Shop


def test_warnings_of_a_kind_are_one_line_with_their_number_and_first_objects() -> None:
    warnings = [
        {"code": "index_too_wide", "severity": "warning", "subject": f"t{number}", "message": "is too wide",
         "decision": "make it narrow", "row_count": None}
        for number in range(150)
    ]  # fmt: skip
    [line] = describe_findings(warnings, "warning")
    assert line == "Index too wide (150): t0, t1, t2 and 147 more. t0: is too wide. Next: make it narrow."
    assert list(describe_findings(warnings, "error")) == []


def test_a_run_prints_its_warnings_also_of_rows_that_were_changed_since(shop: Shop) -> None:
    assert shop.migrate().code == 0
    shop.target("UPDATE articles SET name = 'by hand' WHERE id = 1")
    answer = shop.migrate("--replace-changed-rows", "articles", "--reason", "Rehearsal data only.")
    assert answer.code == 0, answer.err
    [line] = [line for line in answer.out.splitlines() if line.startswith("Warning: Target rows changed")]
    assert "articles" in line
    assert not re.search(r"\bFinding\(|\bCode\.", answer.out)


def test_one_cause_is_one_sentence_whatever_it_met() -> None:
    down = [SourceUnreachable("source db:1433", found="no answer", next_act="Start it") for _ in range(14)]
    assert describe_causes(down) == [str(down[0])]
    broken = [
        SourceError(f"table t{number}", found="the session was lost", next_act="Run again")
        for number in range(5)
    ]
    other = TableFailed("table x", found="row 7 cannot be read")
    assert describe_causes([*broken, other]) == [
        "table t0, table t1, table t2 and 2 more: the session was lost. Run again.",
        str(other),
    ]


def test_a_source_that_stops_is_told_once_on_terminal_report_and_ledger(shop: Shop) -> None:
    lost = SqlServerError(823, "I/O error", 24)
    shop.servers.sql_server.faults.add(Fault(r"^SELECT \[id\].*(?<!WHERE 1 = 0)$", error=lost))
    answer = shop.migrate()
    assert answer.code == 1
    told = [line for line in answer.err.splitlines() if "I/O error" in line]
    assert len(told) == 1, answer.err
    assert "table articles" in told[0] and "table customers" in told[0]
    assert sum("I/O error" in error for error in shop.report["errors"]) == 1
    assert shop.run("report", "--output", str(shop.report_path), urls=["--target-conn", shop.target_url]).code
    assert sum("I/O error" in error for error in shop.report["errors"]) == 1


def test_a_refused_dry_run_does_not_say_that_it_loaded_anything(shop: Shop) -> None:
    shop.target("ALTER TABLE customers ALTER name TYPE varchar(2)")
    assert shop.run("plan").code == 0
    answer = shop.migrate("--dry-run")
    assert answer.code == 3
    assert "everything was loaded" not in answer.out
    assert "A dry run: nothing was loaded, not even into scratch copies" in answer.out
    assert shop.migrate().code == 3
    assert "A dry run" not in str(shop.report)


def test_a_runs_duration_counts_from_its_beginning_not_from_its_entry(shop: Shop) -> None:
    project = load_project(shop.folder)
    target = TargetConnector(parse_target_url(shop.target_url))
    source = SourceConnector(parse_source_url(shop.source_url))
    run = RunInfo("timed", "migration", begun=time.monotonic() - 100)
    migration = Migration(project, source, target, run)
    with target.connect() as connection:
        ensure_run(connection, migration)
        ensure_run(connection, replace(migration, run=replace(run, run_id="untimed", begun=None)))
        lengths = []
        for run_id in ("timed", "untimed"):
            finish_run(connection, run_id, "equal")
            found = read_run(connection, run_id)
            assert found is not None and found.finished_at is not None
            lengths.append((found.finished_at - found.started_at).total_seconds())
    assert lengths[0] > 100 > lengths[1]


def test_the_duration_is_printed(shop: Shop) -> None:
    for answer in (shop.migrate(), shop.run("reconcile")):
        assert answer.code == 0
        assert re.search(r"^4 tables, 11 rows, errors 0, warnings \d+, [\d.]+ s$", answer.out, re.MULTILINE)


def test_a_target_that_is_gone_at_the_end_is_said_and_nothing_is_called_not_loaded(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_without_target(*_: object) -> None:
        gone = TargetUnreachable("target", found="it is in recovery mode", next_act="Run again")
        gone.is_transient = True
        raise gone

    monkeypatch.setattr(outcome, "build_report", build_without_target)
    monkeypatch.setattr(outcome, "_REPORT_PAUSES_SECONDS", (0.1,))
    answer = shop.migrate()
    assert answer.code == 5
    assert answer.err.count("report: the target did not answer: target: it is in recovery mode") == 2
    assert answer.err.endswith("blb-migrate: target: it is in recovery mode. Run again.\n")
    assert "\nFailed: the target does not answer, so what this run loaded and compared could" in answer.out
    assert shop.report["next_act"].startswith("Do not cut over. Once it answers, 'blb-migrate report'")
    assert "loaded nothing" not in answer.out
    assert shop.report["stats"]["errors"] == 1


def test_of_several_hosts_the_one_that_answers_is_named(shop: Shop) -> None:
    log_in, _, place = shop.target_url.rpartition("@")
    host = place.partition("/")[0]
    url = f"{log_in}@127.0.0.1:1,{place}"
    answer = shop.run(urls=["--source-conn", shop.source_url, "--target-conn", url])
    assert answer.code == 0, answer.err
    heading, answered, *_ = answer.out.replace("\n ", " ").splitlines()
    assert f"127.0.0.1:1,{host}/" in heading
    assert answered == f"Of its hosts, localhost:{place.partition(':')[2]} answers"
