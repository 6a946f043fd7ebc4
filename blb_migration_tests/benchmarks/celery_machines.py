"""The whole ERP by Celery workers on several machines, each a network namespace with its address and folder.

    sudo .venv/bin/python -m blb_migration_tests.benchmarks.celery_machines --scale 1 --broker redis

Needs Linux, root, ``ip``, and for ``--broker rabbitmq`` Debian's package of it. Prints one line of JSON for
each trial (``--only`` names some), and ends with 1 where one of them was not as on one machine:

``two``     two workers: the same verdict, checks and report as a run on one machine,
``lost``    four workers, of which one is killed and one cut off in the middle of the load,
``again``   all workers are killed; executed again from the failure it carries out only the rest,
``refused`` a rehearsal, and whatever loads a target that is live, with the words of one machine,
``table``   one large table (``--scale 20`` has some): the worker that loads it is killed, the next one cut
          off, and a machine with ``blb-migrate work`` comes to help in between,
``timeout`` only with ``--broker rabbitmq``: steps that take longer than its ``consumer_timeout``, none of
          which is to be taken back.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from dagster import DagsterEventType

from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.live_mark import mark_live, withdraw_live_mark
from blb_migration.sandbox.emulator.tds.link import Link
from blb_migration.settings import parse_target_url
from blb_migration_tests.benchmarks.brokers import BROKERS
from blb_migration_tests.benchmarks.celery_facts import (
    CHECKS,
    LOADS,
    Outcome,
    ask,
    count_events,
    find_differing,
    measure_longest_step,
    measure_records,
    read_begun,
    read_facts,
    read_failures,
    strip_own,
)
from blb_migration_tests.benchmarks.celery_fleet import REHEARSAL_TARGET, TARGET, Fleet, running_fleet

_AT_ONCE = Link()
_MOST_WORK = 1.2
# So that some of the ERP's tables are loaded in chunks; and for how long a queue may be without a worker.
_VARIABLES = {"BLB_CHUNKED_FROM_ROWS": "100", "BLB_WORKER_WAIT": "30"}
_MANY_CHUNKS = 10
_OPEN_CHUNKS = """
SELECT load.table_name, count(*), count(*) FILTER (WHERE chunk.status = 'finished')
FROM blb_migration.table_chunks AS chunk JOIN blb_migration.table_loads AS load USING (load_id)
GROUP BY load.table_name HAVING bool_or(chunk.status <> 'finished') ORDER BY 2 DESC
"""
_CHUNKS_OF_TABLE = """
SELECT count(*) FROM blb_migration.table_chunks AS chunk
JOIN blb_migration.table_loads AS load USING (load_id) WHERE load.table_name = %s
"""
_CONSUMER_TIMEOUT_SECONDS = 5.0  # instead of 1800, for the trial that meets it
_TOLD_TO_DROP = "delivery acknowledgement on channel"  # RabbitMQ's own words


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
    alone, alone_checks = fleet.read_report(alone_id), ask(fleet, CHECKS, alone_id)
    fleet.renew_target()
    fleet.start_workers(2)
    started = time.perf_counter()
    run = fleet.wait_for(fleet.launch())
    seconds = time.perf_counter() - started
    report, checks = fleet.read_report(run.run_id), ask(fleet, CHECKS, run.run_id)
    differing = find_differing(strip_own(alone), strip_own(report))
    facts = read_facts(fleet, [run.run_id])
    return {
        **measure_records(fleet, run.run_id),
        "run_seconds": round(seconds, 1),
        "verdict": report["verdict"],
        "same_verdict": strip_own(alone["verdict"]) == strip_own(report["verdict"]),
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
    facts = read_facts(fleet, [run_id])
    verdict = fleet.read_report(run_id)["verdict"]
    return {
        "killed_in": killed_in,
        "cut_off_in": cut_in,
        "retried": count_events(fleet, run_id, DagsterEventType.STEP_RESTARTED),
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
    done = {
        step for step, number in count_events(fleet, run_id, DagsterEventType.STEP_SUCCESS).items() if number
    }
    fleet.start_workers(2)
    second = fleet.wait_for(fleet.launch_again(run_id))
    repeated = done & count_events(fleet, second.run_id, DagsterEventType.STEP_START).keys()
    facts = read_facts(fleet, [run_id, second.run_id])
    return {
        "first_run": first.status.value,
        "steps_done_in_it": len(done),
        "steps_of_the_second": len(count_events(fleet, second.run_id, DagsterEventType.STEP_SUCCESS)),
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
        before = ask(fleet, LOADS, name=name)
        refused = fleet.wait_for(fleet.launch(*launched))
        words = read_failures(fleet, refused.run_id)
        said[f"{name}: refused"] = not refused.is_success and "is live since" in words
        if name == TARGET:
            said["the words of one machine"] = words == read_failures(fleet, _run_alone(fleet))
        said[f"{name}: nothing loaded"] = before == ask(fleet, LOADS, name=name)
        with connector.connect() as connection:
            withdraw_live_mark(connection)
    said["rehearsed"] = rehearsal.is_success and first.is_success
    return {**said, "is_good": all(said.values())}


def _try_table(fleet: Fleet, slow: Link) -> Outcome:
    """Lose two workers in the middle of one large table, and have another machine help with it meanwhile."""
    fleet.renew_target()
    fleet.start_workers(4 - len(fleet.workers))
    fleet.put_source_behind(slow)
    run_id = fleet.launch()
    table, killed = _wait_for_chunks(fleet, run_id, 0.2)
    fleet.find_worker(killed).kill()
    helper_log = fleet.start_helper()
    _, cut = _wait_for_chunks(fleet, run_id, 0.6, table, besides=killed)
    fleet.find_worker(cut).cut_off()
    run = fleet.wait_for(run_id)
    fleet.put_source_behind(_AT_ONCE)
    fleet.find_worker(cut).kill()
    facts = read_facts(fleet, [run_id])
    helped = [line for line in helper_log.read_text(encoding="utf-8").splitlines() if " with " in line]
    said = [entry.user_message for entry in fleet.instance.all_logs(run_id) if entry.step_key == table]
    return {
        "table": table,
        "chunks_of_table": ask(fleet, _CHUNKS_OF_TABLE, table)[0][0],
        "killed": killed,
        "cut_off": cut,
        "loaded_by": [host for step, host in read_begun(fleet, run_id) if step == table],
        "helped": helped,
        "progress_in_dagster": [line for line in said if line.startswith(f"{table}: ")],
        "retried": count_events(fleet, run_id, DagsterEventType.STEP_RESTARTED),
        "verdict": fleet.read_report(run_id)["verdict"],
        **facts,
        "is_good": run.is_success and facts["is_whole"] and facts["work"] <= _MOST_WORK and bool(helped),
    }


def _try_timeout(fleet: Fleet, slow: Link) -> Outcome:
    """Let loads take longer than the broker leaves a message unacknowledged."""
    fleet.renew_target()
    if not fleet.workers:
        fleet.start_workers(2)
    fleet.put_source_behind(slow)
    run = fleet.wait_for(fleet.launch())
    fleet.put_source_behind(_AT_ONCE)
    facts = read_facts(fleet, [run.run_id])
    logs = [worker.folder / "worker.log" for worker in fleet.workers]
    told = sum(log.read_text(encoding="utf-8", errors="replace").count(_TOLD_TO_DROP) for log in logs)
    longest = measure_longest_step(fleet, run.run_id)
    retried = count_events(fleet, run.run_id, DagsterEventType.STEP_RESTARTED)
    is_as_it_should_be = run.is_success and facts["is_whole"] and not told and not retried
    return {
        "consumer_timeout_seconds": _CONSUMER_TIMEOUT_SECONDS,
        "longest_step_seconds": longest,
        "told_to_drop": told,
        "retried": retried,
        "said": read_failures(fleet, run.run_id),
        **facts,
        "is_good": is_as_it_should_be and longest > 2 * _CONSUMER_TIMEOUT_SECONDS,
    }


_TRIALS: dict[str, Callable[[Fleet, Link], Outcome]] = {
    "two": _try_two,
    "lost": _try_lost,
    "again": _try_again,
    "refused": _try_refused,
    "table": _try_table,
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


def _wait_for_load(fleet: Fleet, run_id: str, worker: str, finished: int = 0) -> str:
    """Wait until so many steps are finished and ``worker`` loads a table; returns that table's step."""
    tables = set(_list_tables())
    while True:
        assert not fleet.read_run(run_id).is_finished, f"{worker} got no table to load"
        over = count_events(fleet, run_id, DagsterEventType.STEP_SUCCESS)
        for step, host in read_begun(fleet, run_id) if len(over) >= finished else ():
            if host.startswith(f"{worker}@") and step in tables and step not in over:
                return step
        time.sleep(0.2)


def _wait_for_chunks(
    fleet: Fleet, run_id: str, share: float, table: str | None = None, besides: str = ""
) -> tuple[str, str]:
    """Wait until a table of many chunks has so many loaded, and a worker other than ``besides`` loads it.

    Returns the table and the worker.
    """
    while True:
        assert not fleet.read_run(run_id).is_finished, "no table had so many chunks: take a larger --scale"
        is_there = ask(fleet, "SELECT to_regclass('blb_migration.table_chunks') IS NOT NULL") == [(True,)]
        for name, chunks, finished in ask(fleet, _OPEN_CHUNKS) if is_there else ():
            begun = [host for step, host in read_begun(fleet, run_id) if step == name]
            is_it = chunks >= _MANY_CHUNKS if table is None else name == table
            if is_it and finished >= share * chunks and begun and not begun[-1].startswith(f"{besides}@"):
                return name, begun[-1].partition("@")[0]
        time.sleep(0.2)


def _list_tables() -> list[str]:
    from blb_migration.plan.project import DEFAULT_PROJECT, load_project

    return [table.label for table in load_project(DEFAULT_PROJECT).plan.tables]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
