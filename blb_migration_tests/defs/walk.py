"""Two environments on tiny databases: launched in every way, and held against their ledgers."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    JobDefinition,
    ScheduleDefinition,
    define_asset_job,
)
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import (
    RECONCILIATION_REPORT,
    build_asset_keys,
    build_verdict_key,
    place_key,
)
from blb_migration.defs.verdict_events import REASONS
from blb_migration.plan.project import Project
from blb_migration.settings.environments import Environment
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.run_config import QUIET

ENVIRONMENTS: tuple[Environment, ...] = ("production", "rehearsal")
JOBS: Mapping[Environment, tuple[str, str]] = {
    "production": ("migration", "reconcile"),
    "rehearsal": ("rehearsal", "reconcile_rehearsal"),
}
TABLES = ("articles", "customers", "orders")
TARGET_TABLES = """
CREATE TABLE articles (id integer PRIMARY KEY);
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, note text, customer_id integer REFERENCES customers);
"""


@dataclass(frozen=True)
class Told:
    """What Dagster shows of a verdict; ``passed`` None: nothing yet."""

    passed: bool | None
    description: str
    metadata: Mapping[str, Any]

    @property
    def reasons(self) -> list[str]:
        return [record.data["reason"] for record in self.metadata[REASONS]]


@dataclass
class Walk:
    """Both environments. ``story`` says what was launched, for a failing test."""

    chains: Mapping[Environment, Chain]
    instance: DagsterInstance
    random: random.Random
    projects: dict[Environment, Project]
    decisions: str = "project: shop\n"
    story: list[str] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        production, rehearsal = (self.chains[each] for each in ENVIRONMENTS)
        return {
            "BLB_SOURCE_CONN": production.source_url,
            "BLB_TARGET_CONN": production.target_url,
            "BLB_REHEARSAL_SOURCE_CONN": rehearsal.source_url,
            "BLB_REHEARSAL_TARGET_CONN": rehearsal.target_url,
            "BLB_EXECUTOR": "in_process",
        }

    def launch(
        self,
        environment: Environment,
        *,
        job: str | None = None,
        assets: Collection[AssetKey] = (),
        checks: Collection[AssetCheckKey] = (),
        tags: Mapping[str, str] | None = None,
        reads_again: bool = True,
    ) -> bool:
        """Launch a job, or a selection as the page does; return whether the run succeeded."""
        if reads_again:
            self.projects[environment] = self.chains[environment].project(self.decisions)
        definitions = build_defs(self.projects[environment], environment=environment)
        if assets:
            alone = define_asset_job("selected", selection=AssetSelection.assets(*assets))
            definitions = Definitions.merge(definitions, Definitions(jobs=[alone]))
            job = "selected"  # what `__ASSET_JOB` is to the page: no tag of ours
        resolved = definitions.resolve_job_def(job or JOBS[environment][0])
        if not checks:
            return resolved.execute_in_process(
                run_config=QUIET,
                instance=self.instance,
                raise_on_error=False,
                tags=dict(tags or {}),
                asset_selection=[*assets] or None,
            ).success
        return self._check_alone(resolved, frozenset(checks))

    def _check_alone(self, job: JobDefinition, checks: frozenset[AssetCheckKey]) -> bool:
        """Run checks as the page's button does, which `execute_in_process` cannot."""
        subset = job.get_subset(asset_selection=frozenset(), asset_check_selection=checks)
        made = self.instance.create_run_for_job(subset, run_config=QUIET, asset_selection=frozenset())
        run = made._replace(asset_check_selection=checks)
        return execute_run(InMemoryJob(job), run, self.instance).success

    def read_told(self, environment: Environment) -> Told:
        """Read the latest verdict that Dagster shows."""
        record = self.instance.get_latest_asset_check_evaluation_record(build_verdict_key(environment))
        if record is None or record.event is None or record.event.dagster_event is None:
            return Told(None, "", {})
        evaluation = record.event.dagster_event.event_specific_data
        if not isinstance(evaluation, AssetCheckEvaluation):  # planned by a run that never told it
            return Told(None, "", {})
        told: Mapping[str, Any] = evaluation.metadata
        metadata = {key: getattr(value, "value", value) for key, value in told.items()}
        if REASONS in told:
            metadata[REASONS] = told[REASONS].records
        return Told(evaluation.passed, evaluation.description or "", metadata)

    def read_report(self, environment: Environment) -> dict[str, object]:
        """Read the metadata of the report that Dagster shows."""
        event = self.instance.get_latest_materialization_event(place_key(RECONCILIATION_REPORT, environment))
        assert event is not None and event.asset_materialization is not None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}

    def read_outcomes(self, environment: Environment) -> list[tuple[Any, ...]]:
        return self.chains[environment].execute(
            "SELECT outcome FROM blb_migration.runs ORDER BY started_at, run_id"
        )

    def fingerprint(self, environment: Environment) -> dict[str, object]:
        """Everything that a run could have changed in the target."""
        execute = self.chains[environment].execute
        [(has_ledger,)] = execute("SELECT to_regclass('blb_migration.runs') IS NOT NULL")
        relations = execute(
            "SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relnamespace IN"
            " (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'blb_migration')) ORDER BY 1"
        )
        return {
            "rows": [execute(f"SELECT count(*) FROM {name}")[0][0] for name in TABLES],
            "versions": [execute(f"SELECT max(xmin::text::bigint) FROM {name}")[0][0] for name in TABLES],
            "relations": relations,
            "keys": execute("SELECT conname, convalidated FROM pg_constraint ORDER BY 1"),
            "runs": execute("SELECT run_id, outcome FROM blb_migration.runs ORDER BY 1")
            if has_ledger
            else [],
        }

    def step(self) -> None:
        """Do one thing at random, then hold Dagster against both ledgers. Raises AssertionError."""
        chosen: Environment = self.random.choice(ENVIRONMENTS)
        [other] = [each for each in ENVIRONMENTS if each != chosen]
        self._disturb(chosen)
        before = self.fingerprint(other)
        act = self.random.choice(
            [self._whole, self._whole, self._reconcile, self._select, self._again, self._schedule, self._lie]
        )
        act(chosen)
        assert self.fingerprint(other) == before, (other, self.story)
        for environment in ENVIRONMENTS:
            self.compare(environment)

    def compare(self, environment: Environment) -> None:
        """Hold what Dagster says of a target against what its ledger says. Raises AssertionError."""
        told, chain = self.read_told(environment), self.chains[environment]
        [(has_ledger,)] = chain.execute("SELECT to_regclass('blb_migration.runs') IS NOT NULL")
        if not has_ledger:
            assert not told.passed, self.story
            return
        [(answer,)] = chain.execute("SELECT answer FROM blb_migration.may_we_cut_over")
        [(outcome,)] = chain.execute(
            "SELECT outcome FROM blb_migration.runs"
            " WHERE run_id = (SELECT run_id FROM blb_migration.plan_in_force)"
        )
        assert told.passed == (answer and outcome == "equal"), (
            environment,
            told,
            answer,
            outcome,
            self.story,
        )
        keys = build_asset_keys(self.projects[environment].plan, environment)
        loads = chain.execute(
            "SELECT DISTINCT ON (table_name) table_name, run_id FROM blb_migration.table_loads"
            " WHERE status = 'finished' ORDER BY table_name, load_id DESC"
        )
        shown = {}
        for label, key in keys.items():
            event = self.instance.get_latest_materialization_event(key)
            if event is not None:
                shown[label] = event.run_id
        assert shown == dict(loads), (environment, self.story)

    def _whole(self, environment: Environment) -> None:
        self.story.append(f"{environment}: all, {self.launch(environment)}")

    def _reconcile(self, environment: Environment) -> None:
        self.story.append(f"{environment}: reconcile, {self.launch(environment, job=JOBS[environment][1])}")

    def _select(self, environment: Environment) -> None:
        definitions = build_defs(self.projects[environment], environment=environment)
        keys = sorted(definitions.resolve_asset_graph().materializable_asset_keys)
        chosen = self.random.sample(keys, self.random.randint(1, len(keys)))
        names = [key.to_user_string() for key in chosen]
        self.story.append(f"{environment}: {names}, {self.launch(environment, assets=chosen)}")

    def _schedule(self, _environment: Environment) -> None:
        """Launch what the schedule would launch at night."""
        definitions = build_defs(self.projects["rehearsal"], environment="rehearsal")
        schedule = definitions.resolve_schedule_def("nightly_rehearsal")
        assert isinstance(schedule, ScheduleDefinition)
        if _environment == "rehearsal":
            tags = dict(schedule.tags)
            done = self.launch("rehearsal", job=schedule.job_name, tags=tags)
            self.story.append(f"the night, {done}")

    def _lie(self, environment: Environment) -> None:
        [other] = [each for each in ENVIRONMENTS if each != environment]
        tag = self.random.choice(["blb/connections", "blb/environment"])
        done = self.launch(environment, tags={tag: other})
        assert not done
        self.story.append(f"{environment}: tagged {tag}: {other}, refused")

    def _again(self, environment: Environment) -> None:
        """Execute the failed part of a run again, with its parent's tags, as the page does."""
        runs = [run for run in self.instance.get_runs() if run.job_name in JOBS[environment]]
        if not runs:
            return
        parent = self.random.choice(runs)
        done = self.launch(environment, job=parent.job_name, tags=_copy_tags(parent.tags))
        self.story.append(f"{environment}: {parent.job_name} again with its tags, {done}")

    def _disturb(self, environment: Environment) -> None:
        chain = self.chains[environment]
        what = self.random.choice(["nothing", "nothing", "break", "mend", "delete"])
        if what == "break":
            chain.execute("ALTER TABLE articles DROP CONSTRAINT IF EXISTS tiny")
            chain.execute("ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2) NOT VALID")
        elif what == "mend":
            chain.execute("ALTER TABLE articles DROP CONSTRAINT IF EXISTS tiny")
        elif what == "delete":
            chain.execute("DELETE FROM orders WHERE id = 1")
        self.story.append(f"{environment}: {what}")


def _copy_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("dagster/")}


def build_walk(new_chain: Callable[..., Chain], instance: DagsterInstance, generator: random.Random) -> Walk:
    """Build a shop with two rows a table for each environment."""
    chains: dict[Environment, Chain] = {}
    for environment in ENVIRONMENTS:
        chain = new_chain()
        chain.database.create_table(table("articles", "id int not null"))
        chain.database.create_table(table("customers", "id int not null"))
        chain.database.create_table(
            table(
                "orders",
                "id int not null",
                "note nvarchar(20)",
                "customer_id int",
                references={"customer_id": "customers"},
            )
        )
        ids = pa.array([1, 2], pa.int32())
        chain.database.load("dbo.articles", pa.table({"id": ids}))
        chain.database.load("dbo.customers", pa.table({"id": ids}))
        notes = pa.array(["a", "b"], pa.string())
        chain.database.load("dbo.orders", pa.table({"id": ids, "note": notes, "customer_id": ids}))
        chain.execute(TARGET_TABLES)
        chains[environment] = chain
    projects = {name: chain.project("project: shop\n") for name, chain in chains.items()}
    return Walk(chains, instance, generator, projects)
