"""A run's steps in Celery workers: one killed, beside a second run, canceled, and without any worker."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRun

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.celery_queues import (
    DEFAULT_QUEUE,
    LOAD_QUEUE,
    build_application,
    find_celery_internal,
)
from blb_migration.defs.celery_watch import LOST_AFTER_SECONDS, Heartbeat, QueueWatch
from blb_migration.defs.in_process import run_in_process
from blb_migration.defs.observer import RunObserver
from blb_migration.documents import INSTANCE_FILE, read_document
from blb_migration.errors import ConfigurationError
from blb_migration.plan.project import save_project
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.celery_town import Town, building_town, find_redis_server
from blb_migration_tests.defs.stages import build_shop
from blb_migration_tests.defs.test_termination import DECISIONS, IN_PLACE, PHASES, chain, hold, wait_for

__all__ = ["chain"]

needs_redis = pytest.mark.skipif(find_redis_server() is None, reason="no redis-server, and no wheel of one")
TASK_NAME = "blb_step"
COMES_WITHIN_SECONDS = 240  # on a busy machine
NOBODY = "redis://:S3cret@127.0.0.1:1/0"
CHECKS = """
SELECT table_name, check_name, passed, details FROM blb_migration.check_results
WHERE run_id = '{run_id}' ORDER BY 1, 2
"""


@pytest.fixture
def town(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    save_project(replace(chain.project(DECISIONS), folder=tmp_path / "project"))
    environment = {
        "BLB_PROJECT": str(tmp_path / "project"),
        "BLB_SOURCE_CONN": chain.source_url,
        "BLB_TARGET_CONN": chain.target_url,
        "BLB_REPORTS": str(tmp_path / "reports"),
    }
    with building_town(tmp_path, environment) as town:
        monkeypatch.setenv("DAGSTER_HOME", str(town.home))
        yield town


def read_runs() -> list[DagsterRun]:
    """Return Dagster's runs, the last one first."""
    with DagsterInstance.get() as instance:
        return [*instance.get_runs()]


def read_said(instance: DagsterInstance, run_id: str) -> str:
    """Return all that a run's log says, what failed with it."""
    lines = []
    for entry in instance.all_logs(run_id):
        lines.append(entry.user_message)
        event = entry.dagster_event
        if event is not None and event.is_step_failure:
            told = event.step_failure_data.user_failure_data
            lines.append(str(told and told.description))
    return "\n".join(lines)


def read_workers(instance: DagsterInstance, run_id: str) -> set[tuple[str, str]]:
    """Return which worker has begun which step."""
    begun = set()
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        worker = event.engine_event_data.metadata.get("Celery worker") if event is not None else None
        if worker is not None:
            begun.add((str(entry.step_key), str(worker.value)))
    return begun


@needs_redis
def test_a_run_ends_as_in_one_process_though_its_loader_is_killed_and_a_second_run_is_refused(
    town: Town, chain: Chain, emulator: SqlServerEmulator
) -> None:
    loader = town.start_worker("loader", "-Q", LOAD_QUEUE)
    other = town.start_worker("other", "-Q", DEFAULT_QUEUE)
    loader.wait_until_ready()
    other.wait_until_ready()
    has_come = hold(chain, emulator, PHASES["before the first batch"])
    first = town.start_run()
    wait_for(has_come, COMES_WITHIN_SECONDS)
    replacement = town.start_worker("replacement", "-Q", LOAD_QUEUE)
    second = town.start_run(BLB_RUN_WAIT="1")
    second.wait(COMES_WITHIN_SECONDS)
    refused, held = read_runs()
    with DagsterInstance.get() as kept:
        assert f"run {held.run_id[:8]} on" in read_said(kept, refused.run_id)
    assert refused.status.value == "FAILURE"
    loader.kill()
    emulator.faults.clear()
    replacement.wait_until_ready()
    first.wait(COMES_WITHIN_SECONDS)
    [_, run] = read_runs()
    with DagsterInstance.get() as kept:
        said, begun = read_said(kept, run.run_id), read_workers(kept, run.run_id)
    assert run.is_success, said
    assert f"nothing was heard for {LOST_AFTER_SECONDS:g} seconds of worker loader@town" in said
    loads = {(step, worker) for step, worker in begun if not worker.startswith("other@")}
    assert loads == {
        *(("customers", "loader@town"), ("orders", "loader@town")),
        ("orders", "replacement@town"),
    }
    assert chain.execute("SELECT outcome, errors FROM blb_migration.runs") == [("equal", [])]
    assert len(chain.execute(IN_PLACE)) == 1
    alone = run_in_process(chain.migration(DECISIONS), RunObserver())
    assert alone.is_success
    assert chain.execute(CHECKS.format(run_id=run.run_id)) == chain.execute(
        CHECKS.format(run_id=alone.run_id)
    )


@needs_redis
@pytest.mark.parametrize("loses_its_connections", [False, True])
def test_a_busy_worker_has_acknowledged_its_step_and_leaves_the_next_one_to_others(
    town: Town, chain: Chain, emulator: SqlServerEmulator, loses_its_connections: bool
) -> None:
    """Else the broker takes back a step that takes hours, and another one waits behind it for so long."""
    ann = town.start_worker("ann")
    ann.wait_until_ready()
    has_come = hold(chain, emulator, PHASES["before the first batch"])
    town.start_run()
    wait_for(has_come, COMES_WITHIN_SECONDS)
    with (
        closing(build_application(town.environment["BLB_CELERY_BROKER"])) as application,
        application.connection_for_read() as connection,
    ):
        redis = connection.default_channel.client
        wait_for(lambda: redis.hlen("unacked") == 0, COMES_WITHIN_SECONDS)
        if loses_its_connections:
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            wait_for(lambda: ann.log.read_text(encoding="utf-8").count("Connected to") == 2, 60)
        differing = {"version": "0ther", "plan_hash": "", "run_id": "", "step_key": "", "attempts": 0}
        next_step = application.send_task(TASK_NAME, args=[differing], queue=DEFAULT_QUEUE)
        time.sleep(3)  # some turns of the worker's loop
        assert redis.llen(DEFAULT_QUEUE) == 1
        town.start_worker("bob", "-Q", DEFAULT_QUEUE)
        assert next_step.get(COMES_WITHIN_SECONDS)["worker"] == "bob@town"


@needs_redis
@pytest.mark.alone
def test_a_run_that_is_canceled_ends_soon_and_its_steps_with_it(
    town: Town, chain: Chain, emulator: SqlServerEmulator
) -> None:
    town.start_worker("ann").wait_until_ready()
    has_come = hold(chain, emulator, PHASES["before the first batch"])
    worker = town.start_run()
    wait_for(has_come, COMES_WITHIN_SECONDS)
    with DagsterInstance.get() as instance:
        [run] = instance.get_runs()
        instance.report_run_canceling(run)
        asked_at = time.monotonic()
        worker.send_signal(signal.SIGINT)  # as Dagster's own run worker signals itself
        wait_for(lambda: instance.get_runs()[0].is_finished, COMES_WITHIN_SECONDS)
        assert time.monotonic() - asked_at < 60
        assert instance.get_runs()[0].status.value == "CANCELED"
    worker.wait(COMES_WITHIN_SECONDS)
    assert chain.execute("SELECT outcome, errors FROM blb_migration.runs") == [
        ("interrupted", ["the run was interrupted"])
    ]
    assert chain.execute("SELECT count(*) FROM orders") == [(0,)]
    assert len(chain.execute(IN_PLACE)) == 1


def run_in_vain(town: Town, **environment: str) -> str:
    """Return what a run says, which must fail."""
    town.start_run(**environment).wait(COMES_WITHIN_SECONDS)
    [run] = read_runs()
    assert run.status.value == "FAILURE"
    with DagsterInstance.get() as instance:
        return read_said(instance, run.run_id)


@needs_redis
def test_a_run_without_workers_says_how_to_start_one_and_fails(town: Town) -> None:
    said = run_in_vain(town, BLB_WORKER_WAIT="12")
    assert "preflight: waiting for a worker, since none serves the queue dagster" in said
    assert "no worker has served the queue dagster of redis://:**@127.0.0.1" in said
    assert "Start one (`celery -A blb_migration.defs.celery_worker worker -Q dagster`)" in said


@needs_redis
def test_a_broker_that_cannot_be_reached_fails_the_first_step_with_one_sentence(town: Town) -> None:
    said = run_in_vain(town, BLB_CELERY_BROKER=NOBODY)
    assert "broker redis://:**@127.0.0.1:1/0: cannot connect: Error 111" in said
    assert "S3cret" not in said


@needs_redis
def test_a_step_that_nobody_has_is_missed(town: Town) -> None:
    """Its message was taken by a worker that was killed, or the broker was started anew."""
    town.start_worker("ann").wait_until_ready()
    since = time.monotonic()
    with (
        closing(build_application(town.environment["BLB_CELERY_BROKER"])) as application,
        QueueWatch(application) as watch,
    ):

        def is_missed() -> bool:
            watch.ask()
            return watch.has_lost_trace(DEFAULT_QUEUE, "no-such-step", since)

        assert not is_missed()
        wait_for(is_missed, COMES_WITHIN_SECONDS)
        assert watch.measure_unserved_seconds(DEFAULT_QUEUE) == 0


@pytest.mark.parametrize(
    ("broker", "found"), [("", "it is not set"), ("http://me:S3cret@host/", "'http://me:***@host/'")]
)
def test_without_a_broker_the_code_location_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, broker: str, found: str
) -> None:
    monkeypatch.setenv("BLB_EXECUTOR", "celery")
    monkeypatch.setenv("BLB_CELERY_BROKER", broker)
    with pytest.raises(ConfigurationError, match="BLB_CELERY_BROKER") as caught:
        build_defs(build_shop())
    assert found in str(caught.value)
    assert "Set it, the same for Dagster and all workers" in str(caught.value)


def test_without_dagster_celery_the_code_location_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLB_EXECUTOR", "celery")
    monkeypatch.setenv("BLB_CELERY_BROKER", NOBODY)
    monkeypatch.setitem(sys.modules, "dagster_celery", None)
    with pytest.raises(ConfigurationError, match=r"dagster-celery is not installed.*pip install"):
        build_defs(build_shop())


def test_this_dagster_celery_has_what_the_executor_stands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_EXECUTOR", "celery")
    monkeypatch.setenv("BLB_CELERY_BROKER", NOBODY)
    job = build_defs(build_shop()).resolve_job_def("migration")
    assert job.executor_def.name == "celery"
    queues = {node.name: node.tags.get("dagster-celery/queue", DEFAULT_QUEUE) for node in job.graph.nodes}
    assert {name for name, queue in queues.items() if queue == LOAD_QUEUE} == {
        table.target.name.name for table in build_shop().plan.tables
    }


@pytest.mark.parametrize("differs", ["version", "plan_hash", "run_id"])
def test_a_worker_that_differs_from_the_run_refuses_its_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, differs: str
) -> None:
    from blb_migration import __version__

    (tmp_path / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    carry_out = find_celery_internal("celery_step", "create_step_task")(build_application(NOBODY), "hash")
    with DagsterInstance.get() as instance:
        run = instance.create_run_for_job(build_defs(build_shop()).resolve_job_def("migration"))
    order = {"version": __version__, "plan_hash": "hash", "run_id": run.run_id, "step_key": "preflight"}
    carry_out.push_request(hostname="ann@town")
    refusal = carry_out.run({**order, differs: "0ther"})["refusal"]
    assert "0ther" in refusal["found"]
    assert "start" in refusal["next_act"]


def test_a_worker_that_took_a_step_and_never_said_more_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery itself says that a task has started; whether there is more to do the worker looks after that."""
    executor = sys.modules[find_celery_internal("celery_executor", "StepOnItsWay").__module__]
    monkeypatch.setattr(executor, "LOST_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(executor, "_LOOK_EVERY_SECONDS", 0.0)
    assert build_application(NOBODY).conf.task_track_started
    application = SimpleNamespace(
        connection=lambda: SimpleNamespace(as_uri=lambda: "redis://broker"),
        backend=SimpleNamespace(
            get_task_meta=lambda _id: {"status": "STARTED", "result": {"pid": 7, "hostname": "ann@town"}}
        ),
    )
    run = SimpleNamespace(application=application, context=None, queues=None, kept=None)
    step = executor.StepOnItsWay(run, SimpleNamespace(key="orders"), LOAD_QUEUE, {})
    step._result = SimpleNamespace(id="1", revoke=lambda **_how: None)
    assert not step.ready()
    time.sleep(0.02)
    assert step.ready()
    assert "ann@town, which had begun it" in str(step._error)


def test_only_what_is_new_counts_as_a_beat() -> None:
    now = 0.0
    heartbeat = Heartbeat(lambda: now)
    heartbeat.hear(0)
    now = 5.0
    heartbeat.hear(0)
    assert heartbeat.silent_seconds == 5.0
    heartbeat.hear(1)
    assert heartbeat.silent_seconds == 0.0
