"""What counts as equal, whatever the ledger holds: verdict, views and report say the same, to any reader."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blb_migration.checks import CHECK_NAMES
from blb_migration.compare.verdict import read_verdict
from blb_migration.errors import ConfigurationError, TargetError
from blb_migration.findings import Code, Finding, Severity
from blb_migration.migration import Migration, RunInfo
from blb_migration.model import TableName
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.check_results import record_check
from blb_migration.postgres.ledger.judgement import read_cutover_answer
from blb_migration.postgres.ledger.live_mark import mark_live, withdraw_live_mark
from blb_migration.postgres.ledger.loads import begin_load, fail_load, finish_load, read_finished_load
from blb_migration.postgres.ledger.reasons import Reason, ReasonCode
from blb_migration.postgres.ledger.records import CheckResult, LoadedTable, RunKind
from blb_migration.postgres.ledger.runs import read_run
from blb_migration.postgres.ledger.versions import create_ledger, has_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.report.document import build_report, rebuild_report
from blb_migration.report.ending import record_ending, record_failures, record_lost_end
from blb_migration.report.sentences import Ending
from blb_migration.report.target_status import read_target_status
from blb_migration.run_entry import ensure_run
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.stages import build_shop

PROJECT = build_shop()
TABLES = [table.target.name for table in PROJECT.plan.tables]
OTHER_PLAN = "another plan"

tables = st.sampled_from(TABLES)
loads = st.tuples(st.just("load"), tables, st.sampled_from(["finished", "finished", "failed", "in part"]))
checks = st.tuples(
    st.just("check"),
    tables,
    st.sampled_from(CHECK_NAMES),
    st.sampled_from([True, True, False]),
    st.booleans(),  # under this plan
)
keys = st.tuples(st.just("key"), tables, st.booleans())
runs = st.tuples(st.just("run"), st.sampled_from(["migration", "reconcile"]))
events = st.lists(st.one_of(loads, loads, checks, checks, keys, runs), max_size=30)


def shop_migration(target_url: str, kind: RunKind = "migration") -> Migration:
    """Return a new run of the shop's plan; its source is never asked."""
    source = SourceConnector(parse_source_url("mssql+pyodbc://u:p@erp/shop"))
    target = TargetConnector(parse_target_url(target_url))
    return Migration(PROJECT, source, target, RunInfo(str(uuid.uuid4()), kind))


@pytest.fixture(scope="module")
def ledger(embedded_postgres: EmbeddedPostgres) -> Iterator[TargetConnection]:
    """For tests that undo what they did."""
    name = f"standing_{uuid.uuid4().hex[:8]}"
    url = embedded_postgres.create_database(name)
    with TargetConnector(parse_target_url(url)).connect() as connection:
        create_ledger(connection)
        yield connection
    embedded_postgres.drop_database(name)


@pytest.fixture
def fresh_url(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"fresh_{uuid.uuid4().hex[:8]}"
    yield embedded_postgres.create_database(name)
    embedded_postgres.drop_database(name)


def start_run(ledger: TargetConnection, kind: RunKind = "migration") -> str:
    """Record a new run of the shop's plan; returns its id."""
    migration = shop_migration("postgresql://u:p@pg/shop", kind)
    ensure_run(ledger, migration)
    return migration.run.run_id


def load(ledger: TargetConnection, run_id: str, table: TableName, status: str = "finished") -> None:
    load_id = begin_load(ledger, run_id, table, table)
    if status == "in part":
        ledger.execute("UPDATE blb_migration.table_loads SET chunk_count = 5 WHERE load_id = %s", (load_id,))
    elif status == "finished":
        finish_load(ledger, load_id, LoadedTable(1, 1, 1, 0.1), None)
    else:
        fail_load(ledger, load_id, "disk full")


def check(ledger: TargetConnection, run_id: str, table: TableName, name: str, passed: bool = True) -> None:
    judged = read_finished_load(ledger, table)
    load_id = judged.load_id if judged else None
    record_check(ledger, CheckResult(run_id, load_id, table, name, passed, PROJECT.plan.hash))


def prove_equal(ledger: TargetConnection, run_id: str) -> None:
    for table in TABLES:
        load(ledger, run_id, table)
        for name in CHECK_NAMES:
            check(ledger, run_id, table, name)


def play(ledger: TargetConnection, history: list[tuple[object, ...]], run_id: str) -> None:
    for event in history:
        match event:
            case ("load", TableName() as table, str() as status):
                load(ledger, run_id, table, status)
            case ("check", TableName() as table, str() as name, bool() as passed, bool() as is_this_plan):
                judged = read_finished_load(ledger, table)
                plan_hash = PROJECT.plan.hash if is_this_plan else OTHER_PLAN
                load_id = judged.load_id if judged else None
                record_check(ledger, CheckResult(run_id, load_id, table, name, passed, plan_hash))
            case ("key", TableName() as table, bool() as is_back):
                ledger.execute(
                    "INSERT INTO blb_migration.dropped_keys (run_id, table_schema, table_name,"
                    " constraint_name, columns, referred_schema, referred_table, referred_columns,"
                    " definition, restored_at)"
                    " VALUES (%s, %s, %s, gen_random_uuid(), '{id}', 'public', 't', '{id}', '',"
                    " CASE WHEN %s THEN now() END)",
                    (run_id, table.schema, table.name, is_back),
                )
            case ("run", ("migration" | "reconcile") as kind):
                run_id = start_run(ledger, kind)


def expect_reasons(history: list[tuple[object, ...]], table: TableName) -> list[Reason]:
    """Return what should speak against a table, told from the events themselves in the words of
    docs/ledger.md."""
    last_attempt = loaded = None
    results: dict[str, tuple[bool, int | None, bool]] = {}
    for number, event in enumerate(history):
        if event[:2] == ("load", table):
            last_attempt = event[2]
            if last_attempt != "failed":
                loaded = (last_attempt, number)
        elif event[:2] == ("check", table):
            judged = loaded[1] if loaded and loaded[0] == "finished" else None
            results[str(event[2])] = (bool(event[3]), judged, bool(event[4]))
    if loaded is None:
        code = ReasonCode.LOAD_FAILED if last_attempt else ReasonCode.NO_FINISHED_LOAD
        return [Reason(code, None, table)]
    if loaded[0] != "finished":
        return [Reason(ReasonCode.LOADED_IN_PART, None, table)]
    reasons = []
    for name in CHECK_NAMES:
        passed, load_number, is_this_plan = results.get(name, (False, None, False))
        if name not in results:
            reasons.append(Reason(ReasonCode.CHECK_MISSING, name, table))
        elif load_number != loaded[1]:
            reasons.append(Reason(ReasonCode.CHECK_OF_EARLIER_LOAD, name, table))
        elif not is_this_plan:
            reasons.append(Reason(ReasonCode.CHECK_OF_OTHER_PLAN, name, table))
        elif not passed:
            reasons.append(Reason(ReasonCode.CHECK_FAILED, name, table))
    return reasons


PROOF: list[tuple[object, ...]] = [
    event
    for table in TABLES
    for event in (("load", table, "finished"), *(("check", table, name, True, True) for name in CHECK_NAMES))
]


@given(history=events, proven_at=st.one_of(st.none(), st.integers(0, 30)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_is_equal_exactly_when_nothing_speaks_against_it(
    ledger: TargetConnection, history: list[tuple[object, ...]], proven_at: int | None
) -> None:
    if proven_at is not None:
        history = [*history[:proven_at], *PROOF, *history[proven_at:]]
    with ledger.transaction(force_rollback=True):
        play(ledger, history, start_run(ledger))
        verdict = read_verdict(ledger, PROJECT.plan)
        assert {label: list(reasons) for label, reasons in verdict.by_label.items()} == {
            table.label: expect_reasons(history, table.target.name) for table in PROJECT.plan.tables
        }
        dropped = [event for event in history if event[0] == "key" and not event[2]]
        assert len(verdict.dropped_keys) == len(dropped)
        assert verdict.is_equal == (not dropped and not any(verdict.by_label.values()))
        expect_same_of_the_views(ledger)


def expect_same_of_the_views(ledger: TargetConnection) -> None:
    """Whoever asks the views with any client hears what the verdict says, in the same words."""
    verdict = read_verdict(ledger, PROJECT.plan)
    answer = read_cutover_answer(ledger)
    assert answer.is_equal == verdict.is_equal == answer.answer
    of_tables = [f"{label}: {reason}" for label, reasons in verdict.by_label.items() for reason in reasons]
    assert list(answer.reasons) == [*of_tables, *map(str, verdict.of_the_whole)]
    rows = ledger.execute("SELECT label, is_equal, reasons, reason_codes FROM blb_migration.table_status")
    assert rows.fetchall() == [
        (label, not reasons, [*map(str, reasons)], [reason.code.value for reason in reasons])
        for label, reasons in verdict.by_label.items()
    ]


def test_an_empty_ledger_says_no(ledger: TargetConnection) -> None:
    answer = read_cutover_answer(ledger)
    assert not answer.answer and answer.reasons == ("no table was planned",)


def test_everything_proven_says_yes_until_the_target_is_live(ledger: TargetConnection) -> None:
    with ledger.transaction(force_rollback=True):
        run_id = start_run(ledger)
        prove_equal(ledger, run_id)
        expect_same_of_the_views(ledger)
        assert read_cutover_answer(ledger).answer
        mark_live(ledger, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")
        answer = read_cutover_answer(ledger)
        assert answer.is_equal and not answer.answer and "live since" in answer.reasons[0]
        withdraw_live_mark(ledger)
        assert read_cutover_answer(ledger).answer


def test_a_dry_run_changes_nothing_of_the_answer(ledger: TargetConnection) -> None:
    with ledger.transaction(force_rollback=True):
        prove_equal(ledger, start_run(ledger))
        start_run(ledger, "dry_run")
        assert read_cutover_answer(ledger).answer


def test_a_plan_that_was_changed_since_takes_the_answer_back(ledger: TargetConnection) -> None:
    with ledger.transaction(force_rollback=True):
        prove_equal(ledger, start_run(ledger))
        run_id = start_run(ledger)
        ledger.execute("UPDATE blb_migration.runs SET plan_hash = 'new' WHERE run_id = %s", (run_id,))
        answer = read_cutover_answer(ledger)
        assert not answer.answer and "compared under another plan" in answer.reasons[0]


def test_the_ledger_alone_gives_the_same_report_with_read_rights_only(erp_chain: Chain) -> None:
    migration = erp_chain.migrate()
    erp_chain.check(migration)
    record_ending(migration)
    told = build_report(migration)
    role = f"auditor_{uuid.uuid4().hex[:8]}"
    erp_chain.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reads'")
    erp_chain.execute(f"GRANT USAGE ON SCHEMA blb_migration TO {role}")
    erp_chain.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA blb_migration TO {role}")
    parts = urlsplit(erp_chain.target_url)
    reader = parts._replace(netloc=f"{role}:reads@{parts.netloc.rpartition('@')[2]}").geturl()
    try:
        rebuilt = rebuild_report(TargetConnector(parse_target_url(reader)))
        with psycopg.connect(reader) as connection:
            assert connection.execute("SELECT answer FROM blb_migration.may_we_cut_over").fetchone() == (
                True,
            )
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM blb_migration.runs")
    finally:
        erp_chain.execute(f"DROP OWNED BY {role}")
        erp_chain.execute(f"DROP ROLE {role}")
    assert rebuilt["verdict"] == told["verdict"] and rebuilt["verdict_status"] == "equal"
    for document in (told, rebuilt):
        document["reconciliation"].pop("generated_at")
        document.pop("sha256")
        document["run"].pop("source"), document["run"].pop("target")
    assert rebuilt == told


def test_a_target_without_a_ledger_has_no_report(fresh_url: str) -> None:
    with pytest.raises(TargetError, match="holds no ledger"):
        rebuild_report(TargetConnector(parse_target_url(fresh_url)))


def test_an_interrupted_run_is_on_record_as_such(fresh_url: str) -> None:
    migration = shop_migration(fresh_url)
    with migration.target.connect() as connection:
        ensure_run(connection, migration)
        prove_equal(connection, migration.run.run_id)
    record_lost_end(migration, Ending.INTERRUPTED, ["the run was interrupted"])
    rebuilt = rebuild_report(migration.target)
    assert rebuilt["verdict_status"] == "interrupted"
    assert rebuilt["errors"] == ["the run was interrupted"]
    assert [run["outcome"] for run in rebuilt["history"]] == ["interrupted"]


def test_a_refused_run_is_on_record_with_what_was_found(fresh_url: str) -> None:
    migration = shop_migration(fresh_url)
    found = Finding(Code.IS_NULL, Severity.ERROR, "orders.total", "does not fit")
    record_failures(migration, Ending.REFUSED, ["preflight found 1 errors"], [found])
    rebuilt = rebuild_report(migration.target)
    assert rebuilt["verdict"].startswith("Refused: no table in PostgreSQL was written, because 1 finding")
    assert [run["outcome"] for run in rebuilt["history"]] == ["refused"]
    assert [each["subject"] for each in rebuilt["findings"]] == ["orders.total"]
    status = read_target_status(migration.target)
    assert not status.may_cut_over
    assert status.reasons[0].sentence == "preflight found 1 errors"


def test_a_target_that_was_equal_before_a_refused_run_may_not_be_cut_over_to(fresh_url: str) -> None:
    migration = shop_migration(fresh_url)
    with migration.target.connect() as connection:
        ensure_run(connection, migration)
        prove_equal(connection, migration.run.run_id)
    record_ending(migration)
    assert read_target_status(migration.target).may_cut_over
    again = replace(migration, run=RunInfo("again", "migration"))
    record_failures(again, Ending.REFUSED, ["column orders.total is gone"])
    status = read_target_status(migration.target)
    assert (status.may_cut_over, status.run_id) == (False, "again")
    sentences = [each.sentence for each in status.reasons]
    assert sentences[0] == "column orders.total is gone"
    assert sentences[1].startswith("the last run was refused at 20") and len(sentences) == 2


@pytest.mark.parametrize("kind", ["preflight", "verdict", "dry_run"])
def test_a_run_that_only_looked_gets_no_entry(fresh_url: str, kind: RunKind) -> None:
    migration = replace(shop_migration(fresh_url), run=RunInfo("look", kind))
    record_ending(migration)
    with migration.target.connect() as connection:
        assert not has_ledger(connection)
        create_ledger(connection)
        record_ending(migration)
        assert read_run(connection, migration.run.run_id) is None


def test_a_target_serves_one_environment(fresh_url: str) -> None:
    migration = shop_migration(fresh_url)
    record_ending(migration)
    other = replace(migration, run=RunInfo("other", "rehearsal", "rehearsal"))
    with pytest.raises(ConfigurationError, match=r"it serves production, from .*this run is of rehearsal"):
        record_ending(other)
    with migration.target.connect() as connection:
        assert read_run(connection, "other") is None
