"""What a new target and Dagster hold after runs over several machines: for ``celery_machines`` to judge.

A run over workers is compared with one on a single machine by its report, apart from times and identities.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import psycopg
from dagster import DagsterEventType

from blb_migration_tests.benchmarks.celery_fleet import TARGET, Fleet

Outcome = dict[str, Any]
CHECKS = """
SELECT table_name, check_name, passed, details FROM blb_migration.check_results
WHERE run_id = %s ORDER BY 1, 2
"""
_ROWS_SENT = "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables WHERE schemaname = 'public'"
_ROWS_LOADED = (
    "SELECT coalesce(sum(rows_written), 0) FROM blb_migration.table_loads WHERE status = 'finished'"
)
LOADS = """
SELECT table_name, count(*) FROM blb_migration.table_loads WHERE status = 'finished' GROUP BY 1
"""
_CHUNKS = "SELECT count(*), count(DISTINCT load_xid) FROM blb_migration.table_chunks"
_LEDGER_TABLES = "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'blb_migration'"
_LEDGER_BYTES = """
SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables WHERE schemaname = 'blb_migration'
"""
# What two runs of the same rows may differ in.
_OWN_KEYS = re.compile(
    r"_at$|_seconds$|_per_second$|_from$|_until$|^seal|^run_id$|^started|^finished|^duration|^history$|"
    r"^nights$|^loads$|^loaded_in_run$|^seconds$|^sha256$"
)
_OWN_WORDS = re.compile(
    r"mssql://sa:\*\*\*@|"  # the report of a run's own process names the source as the ledger does
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z|\+00:00)?|\b\d\d:\d\d(:\d\d)?\b"
)


def measure_records(fleet: Fleet, run_id: str) -> Outcome:
    """Count what one run has left in the ledger, and in Dagster's records: what growth is computed from."""
    ledger = 0
    for (name,) in ask(fleet, _LEDGER_TABLES):
        [(rows,)] = ask(fleet, f"SELECT count(*) FROM blb_migration.{name}")
        ledger += rows
    [(ledger_bytes,)] = ask(fleet, _LEDGER_BYTES)
    return {
        "ledger_rows": ledger,
        "ledger_kilobytes": round(ledger_bytes / 1000),
        "dagster_events": len(fleet.instance.all_logs(run_id)),
    }


def read_facts(fleet: Fleet, run_ids: list[str]) -> Outcome:
    """Read what a new target holds after these runs; whole: every step, load and chunk once."""
    steps: Counter[str] = Counter()
    for run_id in run_ids:
        steps += count_events(fleet, run_id, DagsterEventType.STEP_SUCCESS)
    loads = dict(ask(fleet, LOADS))
    [(chunks, transactions)] = ask(fleet, _CHUNKS)
    [(rows,)] = ask(fleet, _ROWS_LOADED)
    sent = _read_rows_sent(fleet, int(rows))
    doubled = [step for step, number in steps.items() if number > 1]
    doubled += [table for table, number in loads.items() if number > 1]
    return {
        "steps": len(steps),
        "tables": len(loads),
        "rows": int(rows),
        "chunks": chunks,
        "transactions_of_chunks": transactions,
        "doubled": doubled,
        "work": round(sent / max(int(rows), 1), 3),
        "workers": sorted(_read_workers(fleet, run_ids)),
        "is_whole": not doubled and chunks == transactions and bool(rows),
    }


def _read_rows_sent(fleet: Fleet, at_least: int) -> int:
    """Return all rows that any session ever inserted; ended sessions are counted within seconds."""
    for _ in range(20):
        [(sent,)] = ask(fleet, _ROWS_SENT)
        if sent >= at_least:
            break
        time.sleep(0.5)
    time.sleep(1)
    [(sent,)] = ask(fleet, _ROWS_SENT)
    return int(sent) - 1  # alembic_version's own


def ask(fleet: Fleet, statement: str, *values: object, name: str = TARGET) -> list[tuple[Any, ...]]:
    with psycopg.connect(fleet.read_url(name)) as connection:
        return connection.execute(statement.encode(), values or None).fetchall()


def count_events(fleet: Fleet, run_id: str, kind: DagsterEventType) -> Counter[str]:
    return Counter(str(entry.step_key) for entry in fleet.instance.all_logs(run_id, of_type=kind))


def measure_longest_step(fleet: Fleet, run_id: str) -> float:
    """Measure the step that took longest, from its start to its success."""
    began, took = DagsterEventType.STEP_START, [0.0]
    starts: dict[str | None, float] = {}
    for entry in fleet.instance.all_logs(run_id, of_type={began, DagsterEventType.STEP_SUCCESS}):
        if entry.dagster_event is not None and entry.dagster_event.event_type is began:
            starts[entry.step_key] = entry.timestamp
        else:
            took.append(entry.timestamp - starts[entry.step_key])
    return round(max(took), 1)


def read_begun(fleet: Fleet, run_id: str) -> list[tuple[str, str]]:
    """Return which worker has begun which step, as dagster-celery tells it."""
    begun = []
    for entry in fleet.instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        worker = event.engine_event_data.metadata.get("Celery worker") if event is not None else None
        if worker is not None:
            begun.append((str(entry.step_key), str(worker.value)))
    return begun


def read_failures(fleet: Fleet, run_id: str) -> str:
    said = set()
    for entry in fleet.instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        told = event.step_failure_data.user_failure_data if event is not None else None
        said.add(str(told and told.description))
    return "\n".join(sorted(said))


def strip_own(document: Any) -> Any:
    """Leave out what two runs of the same rows may differ in: times, identities, what they cost."""
    if isinstance(document, dict):
        return {key: strip_own(value) for key, value in document.items() if not _OWN_KEYS.search(key)}
    if isinstance(document, list):
        return [strip_own(each) for each in document]
    return _OWN_WORDS.sub("…", document) if isinstance(document, str) else document


def find_differing(first: Any, second: Any, path: str = "") -> list[str]:
    """Find where two documents differ; at most ten places."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted(first.keys() | second.keys())
        found = [find_differing(first.get(key), second.get(key), f"{path}/{key}") for key in keys]
        return [each for places in found for each in places][:10]
    return [] if first == second else [f"{path}: {str(first)[:80]} | {str(second)[:80]}"]


def _read_workers(fleet: Fleet, run_ids: list[str]) -> set[str]:
    return {worker for run_id in run_ids for _, worker in read_begun(fleet, run_id)}
