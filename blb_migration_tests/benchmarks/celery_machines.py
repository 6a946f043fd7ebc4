"""The whole ERP by Celery workers on several machines, each a network namespace with its address and folder.

    sudo .venv/bin/python -m blb_migration_tests.benchmarks.celery_machines --scale 1 --broker redis

Needs Linux, root, ``ip``, and for ``--broker rabbitmq`` Debian's package of it. Prints one line of JSON for
each trial (``--only`` names some), and ends with 1 where one of them was not as on one machine:

``two``     two workers: the same verdict, checks and report as a run on one machine,
``lost``    four workers, of which one is killed and one cut off in the middle of the load,
``again``   all workers are killed; executed again from the failure it carries out only the rest,
``refused`` a rehearsal, and whatever loads a target that is live, with the words of one machine,
``timeout`` only with ``--broker rabbitmq``: steps that take longer than its ``consumer_timeout``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from dagster import DagsterEventType

from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.live_mark import mark_live, withdraw_live_mark
from blb_migration.sandbox.emulator.tds.link import Link
from blb_migration.settings import parse_target_url
from blb_migration_tests.benchmarks.brokers import BROKERS
from blb_migration_tests.benchmarks.celery_fleet import REHEARSAL_TARGET, TARGET, Fleet, running_fleet

Outcome = dict[str, Any]
_AT_ONCE = Link()
_MOST_WORK = 1.2
# So that some of the ERP's tables are loaded in chunks; and for how long a queue may be without a worker.
_VARIABLES = {"BLB_CHUNKED_FROM_ROWS": "100", "BLB_WORKER_WAIT": "30"}
_CHECKS = """
SELECT table_name, check_name, passed, details FROM blb_migration.check_results
WHERE run_id = %s ORDER BY 1, 2
"""
_ROWS_SENT = "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables WHERE schemaname = 'public'"
_ROWS_LOADED = (
    "SELECT coalesce(sum(rows_written), 0) FROM blb_migration.table_loads WHERE status = 'finished'"
)
_LOADS = """
SELECT table_name, count(*) FROM blb_migration.table_loads WHERE status = 'finished' GROUP BY 1
"""
_CHUNKS = "SELECT count(*), count(DISTINCT load_xid) FROM blb_migration.table_chunks"
_LEDGER_TABLES = "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'blb_migration'"
_LEDGER_BYTES = """
SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables WHERE schemaname = 'blb_migration'
"""
_CONSUMER_TIMEOUT_SECONDS = 5.0  # instead of 1800, for the trial that meets it
_TOLD_TO_DROP = "delivery acknowledgement on channel"  # RabbitMQ's own words
# What two runs of the same rows may differ in.
_OWN_KEYS = re.compile(
    r"_at$|_seconds$|_per_second$|_from$|_until$|^seal|^run_id$|^started|^finished|^duration|^history$|"
    r"^nights$|^loads$|^loaded_in_run$|^seconds$|^sha256$"
)
_OWN_WORDS = re.compile(
    r"mssql://sa:\*\*\*@|"  # the report of a run's own process names the source as the ledger does
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z|\+00:00)?|\b\d\d:\d\d(:\d\d)?\b"
)


def main(arguments: list[str]) -> int:
    """Carry out the trials, print one line of JSON for each; 1 where one of them is not good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--broker", choices=BROKERS, default=BROKERS[0])
    parser.add_argument("--only", default="two,lost,again,refused", help="of " + ", ".join(_TRIALS))
    parser.add_argument("--kilobytes", type=float, default=50.0, help="a second and connection, where a"
                        " worker is lost")  # fmt: skip
    options = parser.parse_args(arguments)
    good = True
    with TemporaryDirectory(prefix="blb-celery-machines-") as folder:
        names = options.only.split(",")
        limit = _CONSUMER_TIMEOUT_SECONDS if "timeout" in names else None
        fleet_of = running_fleet(Path(folder), options.scale, options.broker, _VARIABLES, limit)
        with fleet_of as fleet:
            for name in names:
                started = time.perf_counter()
                outcome = _TRIALS[name](fleet, Link(bytes_per_second=options.kilobytes * 1e3))
                seconds = round(time.perf_counter() - started, 1)
                line = {"trial": name, "broker": options.broker, "seconds": seconds, **outcome}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
                good = good and outcome["is_good"]
    return 0 if good else 1


def _try_two(fleet: Fleet, _slow: Link) -> Outcome:
    """Compare a run over two workers with one of a single machine, both into a new target."""
    alone_id = _run_alone(fleet)
    alone, alone_checks = fleet.read_report(alone_id), _ask(fleet, _CHECKS, alone_id)
    fleet.renew_target()
    fleet.start_workers(2)
    started = time.perf_counter()
    run = fleet.wait_for(fleet.launch())
    seconds = time.perf_counter() - started
    report, checks = fleet.read_report(run.run_id), _ask(fleet, _CHECKS, run.run_id)
    differing = _find_differing(_strip(alone), _strip(report))
    facts = _read_facts(fleet, [run.run_id])
    return {
        **_measure_records(fleet, run.run_id),
        "run_seconds": round(seconds, 1),
        "verdict": report["verdict"],
        "same_verdict": _strip(alone["verdict"]) == _strip(report["verdict"]),
        "checks": len(checks),
        "same_checks": alone_checks == checks,
        "report_differs_in": differing,
        **facts,
        "is_good": run.is_success and facts["is_whole"] and alone_checks == checks and not differing,
    }


def _try_lost(fleet: Fleet, slow: Link) -> Outcome:
    """Kill one of four workers and cut another off, while both load tables behind a slow line."""
    fleet.renew_target()
    fleet.start_workers(4 - len(fleet.workers))
    killed, cut = fleet.workers[:2]
    fleet.put_source_behind(slow)
    run_id = fleet.launch()
    killed_in = _wait_for_load(fleet, run_id, killed.name, finished=10)
    killed.kill()
    cut_in = _wait_for_load(fleet, run_id, cut.name)
    cut.cut_off()
    run = fleet.wait_for(run_id)
    fleet.put_source_behind(_AT_ONCE)
    cut.kill()
    facts = _read_facts(fleet, [run_id])
    verdict = fleet.read_report(run_id)["verdict"]
    return {
        "killed_in": killed_in,
        "cut_off_in": cut_in,
        "retried": _count(fleet, run_id, DagsterEventType.STEP_RESTARTED),
        "verdict": verdict,
        **facts,
        "is_good": run.is_success and facts["is_whole"] and facts["work"] <= _MOST_WORK,
    }


def _try_again(fleet: Fleet, slow: Link) -> Outcome:
    """Kill every worker in the middle of the load; new ones carry out what is left, when asked."""
    fleet.renew_target()
    workers = fleet.start_workers(2)
    fleet.put_source_behind(slow)
    run_id = fleet.launch()
    _wait_for_load(fleet, run_id, workers[0].name, finished=20)
    for worker in fleet.workers:
        worker.kill()
    first = fleet.wait_for(run_id)
    fleet.put_source_behind(_AT_ONCE)
    done = {step for step, number in _count(fleet, run_id, DagsterEventType.STEP_SUCCESS).items() if number}
    fleet.start_workers(2)
    second = fleet.wait_for(fleet.launch_again(run_id))
    repeated = done & _count(fleet, second.run_id, DagsterEventType.STEP_START).keys()
    facts = _read_facts(fleet, [run_id, second.run_id])
    return {
        "first_run": first.status.value,
        "steps_done_in_it": len(done),
        "steps_of_the_second": len(_count(fleet, second.run_id, DagsterEventType.STEP_SUCCESS)),
        "done_twice": sorted(repeated),
        "verdict": fleet.read_report(second.run_id)["verdict"],
        **facts,
        "is_good": not first.is_success and second.is_success and not repeated and facts["is_whole"],
    }


def _try_refused(fleet: Fleet, _slow: Link) -> Outcome:
    """Rehearse; then mark both targets live, and try to load them: by workers, and on one machine."""
    if not fleet.workers:
        fleet.start_workers(2)
    said: dict[str, bool] = {}
    rehearsal = fleet.wait_for(fleet.launch("rehearsal", "rehearsal"))
    first = fleet.wait_for(fleet.launch())
    pairs = ((TARGET, first, ("migration", "production")), (REHEARSAL_TARGET, rehearsal, ("rehearsal",) * 2))
    for name, run, launched in pairs:
        connector = TargetConnector(parse_target_url(fleet.read_url(name)))
        with connector.connect() as connection:
            mark_live(
                connection, run_id=run.run_id, night_id="n", operator="ana", host="erp-01", tool_version="1"
            )
        before = _ask(fleet, _LOADS, name=name)
        refused = fleet.wait_for(fleet.launch(*launched))
        words = _read_failures(fleet, refused.run_id)
        said[f"{name}: refused"] = not refused.is_success and "is live since" in words
        if name == TARGET:
            said["the words of one machine"] = words == _read_failures(fleet, _run_alone(fleet))
        said[f"{name}: nothing loaded"] = before == _ask(fleet, _LOADS, name=name)
        with connector.connect() as connection:
            withdraw_live_mark(connection)
    said["rehearsed"] = rehearsal.is_success and first.is_success
    return {**said, "is_good": all(said.values())}


def _try_timeout(fleet: Fleet, slow: Link) -> Outcome:
    """Let loads take longer than the broker waits for a worker's word that it is done with a message."""
    fleet.renew_target()
    if not fleet.workers:
        fleet.start_workers(2)
    fleet.put_source_behind(slow)
    run = fleet.wait_for(fleet.launch())
    fleet.put_source_behind(_AT_ONCE)
    facts = _read_facts(fleet, [run.run_id])
    logs = [worker.folder / "worker.log" for worker in fleet.workers]
    told = sum(log.read_text(encoding="utf-8", errors="replace").count(_TOLD_TO_DROP) for log in logs)
    return {
        "told_to_drop": told,
        "retried": _count(fleet, run.run_id, DagsterEventType.STEP_RESTARTED),
        "said": _read_failures(fleet, run.run_id),
        **facts,
        "is_good": run.is_success and facts["is_whole"] and told > 0 and facts["work"] <= _MOST_WORK,
    }


_TRIALS: dict[str, Callable[[Fleet, Link], Outcome]] = {
    "two": _try_two,
    "lost": _try_lost,
    "again": _try_again,
    "refused": _try_refused,
    "timeout": _try_timeout,
}


def _run_alone(fleet: Fleet) -> str:
    """Carry out the job on Dagster's machine, in one process; returns the run's id."""
    machine = fleet.machines["dagster"]
    known = {run.run_id for run in fleet.instance.get_runs()}
    alone = {"BLB_EXECUTOR": "", "BLB_REHEARSAL_SOURCE_CONN": "", "BLB_REHEARSAL_TARGET_CONN": ""}
    command = ["-m", "dagster", "job", "execute", "--module-name", "blb_migration.definitions"]
    environment = fleet.environment | alone | {"DAGSTER_HOME": str(machine.folder / "home")}
    machine.run(
        [*command, "--job", "migration"], stderr=subprocess.DEVNULL, environment=environment
    ).communicate()
    [run_id] = {run.run_id for run in fleet.instance.get_runs()} - known
    return run_id


def _measure_records(fleet: Fleet, run_id: str) -> Outcome:
    """Count what one run has left in the ledger, and in Dagster's records: what growth is computed from."""
    ledger = 0
    for (name,) in _ask(fleet, _LEDGER_TABLES):
        [(rows,)] = _ask(fleet, f"SELECT count(*) FROM blb_migration.{name}")
        ledger += rows
    [(ledger_bytes,)] = _ask(fleet, _LEDGER_BYTES)
    return {
        "ledger_rows": ledger,
        "ledger_kilobytes": round(ledger_bytes / 1000),
        "dagster_events": len(fleet.instance.all_logs(run_id)),
    }


def _read_facts(fleet: Fleet, run_ids: list[str]) -> Outcome:
    """Read what a new target holds after these runs; whole: every step, load and chunk once."""
    steps: Counter[str] = Counter()
    for run_id in run_ids:
        steps += _count(fleet, run_id, DagsterEventType.STEP_SUCCESS)
    loads = dict(_ask(fleet, _LOADS))
    [(chunks, transactions)] = _ask(fleet, _CHUNKS)
    [(rows,)] = _ask(fleet, _ROWS_LOADED)
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
        [(sent,)] = _ask(fleet, _ROWS_SENT)
        if sent >= at_least:
            break
        time.sleep(0.5)
    time.sleep(1)
    [(sent,)] = _ask(fleet, _ROWS_SENT)
    return int(sent) - 1  # alembic_version's own


def _ask(fleet: Fleet, statement: str, *values: object, name: str = TARGET) -> list[tuple[Any, ...]]:
    with psycopg.connect(fleet.read_url(name)) as connection:
        return connection.execute(statement.encode(), values or None).fetchall()


def _count(fleet: Fleet, run_id: str, kind: DagsterEventType) -> Counter[str]:
    return Counter(str(entry.step_key) for entry in fleet.instance.all_logs(run_id, of_type=kind))


def _wait_for_load(fleet: Fleet, run_id: str, worker: str, finished: int = 0) -> str:
    """Wait until so many steps are finished and ``worker`` loads a table; returns that table's step."""
    tables = set(_list_tables())
    while True:
        assert not fleet.read_run(run_id).is_finished, f"{worker} got no table to load"
        over = _count(fleet, run_id, DagsterEventType.STEP_SUCCESS)
        for step, host in _read_begun(fleet, run_id) if len(over) >= finished else ():
            if host.startswith(f"{worker}@") and step in tables and step not in over:
                return step
        time.sleep(0.2)


def _list_tables() -> list[str]:
    from blb_migration.plan.project import DEFAULT_PROJECT, load_project

    return [table.label for table in load_project(DEFAULT_PROJECT).plan.tables]


def _read_begun(fleet: Fleet, run_id: str) -> list[tuple[str, str]]:
    """Return which worker has begun which step, as dagster-celery tells it."""
    begun = []
    for entry in fleet.instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        worker = event.engine_event_data.metadata.get("Celery worker") if event is not None else None
        if worker is not None:
            begun.append((str(entry.step_key), str(worker.value)))
    return begun


def _read_workers(fleet: Fleet, run_ids: list[str]) -> set[str]:
    return {worker for run_id in run_ids for _, worker in _read_begun(fleet, run_id)}


def _read_failures(fleet: Fleet, run_id: str) -> str:
    said = set()
    for entry in fleet.instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        told = event.step_failure_data.user_failure_data if event is not None else None
        said.add(str(told and told.description))
    return "\n".join(sorted(said))


def _strip(document: Any) -> Any:
    """Leave out what two runs of the same rows may differ in: times, identities, what they cost."""
    if isinstance(document, dict):
        return {key: _strip(value) for key, value in document.items() if not _OWN_KEYS.search(key)}
    if isinstance(document, list):
        return [_strip(each) for each in document]
    return _OWN_WORDS.sub("…", document) if isinstance(document, str) else document


def _find_differing(first: Any, second: Any, path: str = "") -> list[str]:
    """Find where two documents differ; at most ten places."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted(first.keys() | second.keys())
        found = [_find_differing(first.get(key), second.get(key), f"{path}/{key}") for key in keys]
        return [each for places in found for each in places][:10]
    return [] if first == second else [f"{path}: {str(first)[:80]} | {str(second)[:80]}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
