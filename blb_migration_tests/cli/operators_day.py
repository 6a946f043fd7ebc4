"""Both environments of a small shop behind one web server and daemon, and whoever is told of them.

Begins the day, does to production what a case needs, and reads what an operator would see. Judges nothing.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import re
import struct
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from blb_migration.cli.main import main
from blb_migration.defs.asset_keys import build_verdict_key
from blb_migration.defs.verdict_events import REASONS
from blb_migration.plan.project import save_project
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.settings.environments import PRODUCTION, REHEARSAL, Environment
from blb_migration.settings.variable_list import iterate_variables
from blb_migration_tests.alerts.receivers import Mailbox, Webhook, receiving_json, receiving_mail
from blb_migration_tests.cli.served_ui import Ui, serving_ui
from blb_migration_tests.conftest import making_chains
from blb_migration_tests.defs.walk import JOBS, Walk, build_walk

COMES_WITHIN_SECONDS = 90  # what a case needs before anything of it is measured
STARTS_WITHIN_SECONDS = 30  # servers and the first look of their sensors
NIGHT_BEGINS_WITHIN_MINUTES = 1
ZONE = "Test/Night"
# A load refuses rows that others have changed, as the cases do, unless somebody says that they may go.
DECISIONS = "project: shop\ntables:\n  orders: {replace_rows: The day changes them.}\n"
READS_ORDERS = r"^SELECT \[id\].*\[orders\](?! WHERE 1 = 0)"

VERDICT = """
query ($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 1) {
    timestamp evaluation { success description metadataEntries { label
      ... on TextMetadataEntry { text } ... on TableMetadataEntry { table { records } } } } } }
"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { endTime tags { key value } } } }"
TERMINATE = """
mutation ($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) {
  __typename ... on TerminateRunFailure { message } ... on PythonError { message } } }
"""
SCHEDULES = """
query { schedulesOrError(repositorySelector: {
  repositoryLocationName: "blb_migration", repositoryName: "rehearsal"}) {
    ... on Schedules { results { name scheduleState { id } } } } }
"""
STOP = """
mutation ($id: String!) { stopRunningSchedule(id: $id) {
  __typename ... on ScheduleStateResult { scheduleState { status } } ... on PythonError { message } } }
"""
LOOKS = """
query ($name: String!) { sensorOrError(sensorSelector: {
  repositoryLocationName: "blb_migration", repositoryName: "rehearsal", sensorName: $name}) {
    ... on Sensor { sensorState { ticks(limit: 1000) { timestamp status } } } } }
"""


@dataclass(frozen=True)
class Verdict:
    """What the page of the check `may_we_cut_over` shows."""

    told_at: float
    passed: bool
    description: str
    reasons: list[str]
    run_id: str


@dataclass
class Day:
    """Both environments behind one web server and daemon, and whoever is told."""

    walk: Walk
    ui: Ui
    emulator: SqlServerEmulator
    webhook: Webhook
    mailbox: Mailbox
    night_due: datetime.datetime
    posts: list[dict[str, Any]] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)

    def execute(self, statement: str) -> None:
        """Run a statement on production's target, as a person would."""
        self.walk.chains[PRODUCTION].execute(statement)

    def launch(self, job: str = JOBS[PRODUCTION][0]) -> str:
        return self.ui.launch(job, PRODUCTION)

    def read_verdict(self, environment: Environment = PRODUCTION) -> Verdict | None:
        """Read what the check's page shows; None before it was ever told."""
        key = build_verdict_key(environment)
        answer = self.ui.ask(VERDICT, key={"path": list(key.asset_key.path)}, check=key.name)
        for execution in answer["assetCheckExecutions"]:
            evaluation = execution["evaluation"]
            if evaluation is None:  # planned by a run that goes on
                continue
            facts = {each["label"]: each for each in evaluation["metadataEntries"]}
            records = facts[REASONS]["table"]["records"] if REASONS in facts else []
            return Verdict(
                execution["timestamp"],
                evaluation["success"],
                evaluation["description"],
                [json.loads(record)["reason"] for record in records],
                facts["run_id"]["text"],
            )
        return None

    def await_verdict(
        self, environment: Environment, run_id: str, seconds: float, *, passed: bool
    ) -> Verdict:
        """Wait until the check's page tells of that run."""
        found: list[Verdict | None] = []

        def is_told() -> bool:
            found.append(self.read_verdict(environment))
            told = found[-1]
            return told is not None and (told.run_id, told.passed) == (run_id, passed)

        wait_for(is_told, seconds, lambda: f"the verdict is {found[-1]}")
        assert found[-1] is not None
        return found[-1]

    def mend(self) -> None:
        """Undo what the cases do to production, so that a run loads all of it."""
        self.emulator.faults.clear()
        self.execute("ALTER TABLE articles DROP CONSTRAINT IF EXISTS tiny")
        self.execute("ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text")

    def make_green(self) -> None:
        """Load production until it is equal."""
        run_id = self.launch()
        assert self.ui.await_end(run_id) == "SUCCESS"
        self.await_verdict(PRODUCTION, run_id, COMES_WITHIN_SECONDS, passed=True)

    @contextmanager
    def holding_run(self) -> Iterator[str]:
        """Launch a run that hangs while it reads a table; yield its id when it does."""
        before = len(self.emulator.statements)
        self.emulator.faults.add(Fault(READS_ORDERS, batch_delay_seconds=600))
        run_id = self.launch()
        pattern = re.compile(READS_ORDERS, re.IGNORECASE | re.DOTALL)
        try:
            wait_for(
                lambda: any(pattern.search(sent.text) for sent in self.emulator.statements[before:]),
                COMES_WITHIN_SECONDS,
            )
            yield run_id
        finally:
            self.emulator.faults.clear()

    def await_end(self, run_id: str) -> float:
        """Wait until the run is over; return when it ended, in UNIX time."""
        self.ui.await_end(run_id)
        ended_at: float = self.ui.ask(RUN, id=run_id)["runOrError"]["endTime"]
        return ended_at

    def read_tag(self, run_id: str, name: str) -> str:
        """Read one of the run's tags."""
        tags = self.ui.ask(RUN, id=run_id)["runOrError"]["tags"]
        [value] = [str(tag["value"]) for tag in tags if tag["key"] == name]
        return value

    def list_looks(self) -> list[float]:
        """List when the rehearsal's sensors have looked, in UNIX time, the first first."""
        looks: list[float] = []
        for name in ("verdict_rehearsal", "alerts_rehearsal"):
            ticks = self.ui.ask(LOOKS, name=name)["sensorOrError"]["sensorState"]["ticks"]
            looks += [tick["timestamp"] for tick in ticks if tick["status"] != "FAILURE"]
        return sorted(looks)

    def take_failures(self, environment: Environment = PRODUCTION) -> list[dict[str, Any]]:
        """Return the alerts of the environment's failures that have come since the last time."""
        self.posts += self.webhook.take()
        taken = [each for each in self.posts if f"Environment: {environment}" in each["message"]]
        self.posts = [each for each in self.posts if each not in taken]
        self.titles += [post["title"] for post in taken]
        return [post for post in taken if post["type"] != "success"]


def wait_for(
    is_so: Callable[[], bool], seconds: float, say: Callable[[], str] = lambda: "nothing came"
) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, say()
        time.sleep(0.2)


def write_zone(folder: Path, due: datetime.datetime) -> None:
    """Write a time zone in which it is 02:00 at ``due``."""
    offset = (2 * 3600 - (due.hour * 3600 + due.minute * 60 + due.second) + 12 * 3600) % 86400 - 12 * 3600
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    block = header + struct.pack(">lBB", offset, 0, 0) + b"NGT\0"
    west, seconds = ("+", -offset) if offset < 0 else ("-", offset)
    hours = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    path = folder / ZONE
    path.parent.mkdir(parents=True)
    path.write_bytes(block * 2 + f"\n<NGT>{west}{hours}\n".encode())


def rehearse_yesterday(walk: Walk, project: Path) -> None:
    """Have yesterday's night in the rehearsal's ledger, an equal one."""
    chain = walk.chains[REHEARSAL]
    urls = ["--source-conn", chain.source_url, "--target-conn", chain.target_url]
    assert main([*urls, "--project", str(project), "--output", str(project / "report.json")]) == 0
    chain.execute("UPDATE blb_migration.runs SET started_at = started_at - interval '1 day'")


def leave_the_night_out(ui: Ui) -> None:
    """Switch the nightly schedule off, as somebody did who forgot to switch it on again."""
    schedules = ui.ask(SCHEDULES)["schedulesOrError"]["results"]
    [schedule] = [each for each in schedules if each["name"] == "nightly_rehearsal"]
    stopped = ui.ask(STOP, id=schedule["scheduleState"]["id"])["stopRunningSchedule"]
    assert stopped["scheduleState"]["status"] == "STOPPED", stopped


@contextmanager
def beginning_day(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres, folder: Path
) -> Iterator[Day]:
    with (
        pytest.MonkeyPatch.context() as patch,
        making_chains(engine, emulator, embedded_postgres) as new_chain,
        receiving_json() as webhook,
        receiving_mail() as mailbox,
        DagsterInstance.ephemeral() as instance,
    ):
        for variable in iterate_variables():
            patch.delenv(variable.name, raising=False)
        patch.delenv("DAGSTER_HOME", raising=False)
        walk = build_walk(new_chain, instance, random.Random(7))
        for name, value in walk.variables.items():
            patch.setenv(name, value)
        project = folder / "project"
        save_project(replace(walk.chains[PRODUCTION].project(DECISIONS), folder=project))
        rehearse_yesterday(walk, project)
        due = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        due += datetime.timedelta(seconds=STARTS_WITHIN_SECONDS)
        write_zone(folder / "zones", due)
        variables = {
            "DAGSTER_HOME": str(folder / "home"),
            "BLB_ALERT_URLS": f"{webhook.url} {mailbox.url}",
            "BLB_TIMEZONE": ZONE,
            "BLB_NIGHT_BEGINS_WITHIN": str(NIGHT_BEGINS_WITHIN_MINUTES),
            "PYTHONTZPATH": os.pathsep.join([str(folder / "zones"), *zoneinfo.TZPATH]),
        }
        with serving_ui("ui", "--project", str(project), variables=variables) as (_, output, port):
            assert "Ctrl-C" in output, output
            ui = Ui(port)
            ui.await_jobs()
            leave_the_night_out(ui)
            day = Day(walk, ui, emulator, webhook, mailbox, due)
            day.make_green()
            yield day
