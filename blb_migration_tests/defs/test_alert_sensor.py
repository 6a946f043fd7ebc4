"""Each way in which a run fails, or a night is missing, is one message with its cause; then "equal again"."""

from __future__ import annotations

import datetime
import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
import pytest
from dagster import DagsterEvent, DagsterInstance, DefaultSensorStatus, build_sensor_context

from blb_migration.alerts.night_times import find_due
from blb_migration.defs import tick_budget
from blb_migration.defs.alert_sensor import build_alert_sensor
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import RECONCILIATION_REPORT, build_verdict_key, place_key
from blb_migration.defs.dead_runs import PROCESS_TAG, end_dead_runs
from blb_migration.defs.late_night import NOT_BEGUN, SEE_WHY, LateNight, record_late_night
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.verdict_sensor import build_verdict_sensor
from blb_migration.run_hold import holding_target
from blb_migration.settings.environments import Environment
from blb_migration_tests.alerts.receivers import TOKEN, Webhook, receiving_json, receiving_mail
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.walk import Walk, build_walk

pytestmark = pytest.mark.usefixtures("no_configuration")


@dataclass
class Watch:
    """The sensor of one environment, its cursor as the daemon keeps it."""

    walk: Walk
    webhook: Webhook
    environment: Environment = "rehearsal"
    cursor: str | None = None
    error: BaseException | None = None
    said: str = ""

    def look(self, now: datetime.datetime | None = None) -> list[dict[str, Any]]:
        """Let it look once; return what has arrived since."""
        moment = now or datetime.datetime.now(datetime.UTC)
        walk, environment = self.walk, self.environment
        resource = MigrationResource(walk.projects[environment], environment=environment)
        context = build_sensor_context(walk.instance, cursor=self.cursor)
        self.error = None
        try:
            self.said = str(build_alert_sensor(resource, lambda: moment).evaluate_tick(context).skip_message)
        except Exception as error:  # noqa: BLE001 - as the daemon does: the cursor stays
            self.error = error
        else:
            self.cursor = context.cursor
        return self.webhook.take()

    def launch(self, **how: Any) -> bool:
        return self.walk.launch(self.environment, **how)

    def break_table(self) -> None:
        statement = "ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2) NOT VALID"
        self.walk.chains[self.environment].execute(statement)

    def mend_table(self) -> None:
        self.walk.chains[self.environment].execute("ALTER TABLE articles DROP CONSTRAINT tiny")


@pytest.fixture
def watch(new_chain, monkeypatch: pytest.MonkeyPatch, instance: DagsterInstance) -> Iterator[Watch]:  # type: ignore[no-untyped-def]
    walk = build_walk(new_chain, instance, random.Random(7))
    for name, value in walk.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BLB_UI_URL", "https://move.example")
    with receiving_json() as webhook:
        monkeypatch.setenv("BLB_ALERT_URLS", webhook.url)
        watch = Watch(walk, webhook)
        assert watch.look() == []  # nothing from before is dug up
        yield watch


def require_one(posts: list[dict[str, Any]], title: str, *facts: str) -> dict[str, Any]:
    [post] = posts
    assert post["title"] == f"shop: {title}"
    for fact in facts:
        assert fact in post["message"], post["message"]
    assert "\nNext: " in post["message"] or post["type"] == "success"
    for place in ("Environment: ", "Source: SQL Server ", "Target: PostgreSQL "):
        assert place in post["message"], post["message"]
    return post


def require_good_again(watch: Watch) -> None:
    assert watch.look() == []
    assert watch.launch()
    require_one(watch.look(), "rehearsal: equal again", "Equal")
    assert watch.look() == []


def test_a_table_that_fails_is_one_message_with_the_first_reason_and_its_page(watch: Watch) -> None:
    assert watch.launch()
    assert watch.look() == []
    watch.break_table()
    assert not watch.launch()
    post = require_one(watch.look(), "rehearsal failed", "articles", "tiny")
    [run, *_] = watch.walk.instance.get_runs(limit=1)
    assert f"https://move.example/runs/{run.run_id}" in post["message"]
    assert post["type"] == "failure"
    watch.mend_table()
    require_good_again(watch)


def test_a_run_that_fails_is_told_though_the_ledger_hangs(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch.launch()
    assert watch.look() == []
    watch.break_table()
    assert not watch.launch()
    monkeypatch.setattr(tick_budget, "ASKING_SECONDS", 0.5)
    with psycopg.connect(watch.walk.chains["rehearsal"].target_url) as somebody:
        somebody.execute("LOCK TABLE blb_migration.runs IN ACCESS EXCLUSIVE MODE")
        require_one(watch.look(), "rehearsal failed", "tiny")
        resource = MigrationResource(watch.walk.projects["rehearsal"], environment="rehearsal")
        context = build_sensor_context(watch.walk.instance)
        said = build_verdict_sensor(resource).evaluate_tick(context).skip_message
        assert "did not answer within 0.5 seconds" in str(said)
    assert watch.look() == []  # and it is told once


def test_the_next_night_that_fails_is_told_again(watch: Watch) -> None:
    watch.break_table()
    for _ in range(2):
        assert not watch.launch()
        require_one(watch.look(), "rehearsal failed", "tiny")


def test_a_refusal_by_preflight_is_told_with_its_finding(watch: Watch) -> None:
    assert watch.launch()
    watch.walk.chains["rehearsal"].execute("ALTER TABLE orders DROP COLUMN note")
    assert not watch.launch(reads_again=False)
    require_one(watch.look(), "rehearsal was refused", "orders", "catalog.json")
    watch.walk.chains["rehearsal"].execute("ALTER TABLE orders ADD COLUMN note text")
    require_good_again(watch)


def test_a_broken_value_is_told_by_the_comparison_that_finds_it(watch: Watch) -> None:
    assert watch.launch()
    assert watch.look() == []
    watch.walk.chains["rehearsal"].execute("UPDATE orders SET note = 'geheim@example.com' WHERE id = 1")
    watch.launch(job="reconcile_rehearsal")
    post = require_one(watch.look(), "comparison of rehearsal ended not equal", "orders: ", "differs")
    assert "geheim@example.com" not in post["message"]


def test_a_check_that_goes_red_without_a_run_is_told(watch: Watch) -> None:
    assert watch.launch()
    assert watch.look() == []
    watch.walk.chains["rehearsal"].execute(
        "UPDATE blb_migration.check_results SET passed = false WHERE check_name = 'content'"
    )
    watch.launch(checks=[build_verdict_key("rehearsal")])
    require_one(watch.look(), "a check went red, may_we_cut_over says no", "content")
    require_good_again(watch)


def test_a_run_that_is_terminated_is_told(watch: Watch) -> None:
    assert watch.launch()
    run = create_run(watch)
    watch.walk.instance.report_run_canceled(run)
    require_one(watch.look(), "rehearsal was interrupted", run.run_id)
    require_good_again(watch)


def create_run(watch: Watch, *, tags: Mapping[str, str] | None = None) -> Any:
    """Return a run of the nightly job that has started, as far as Dagster knows."""
    definitions = build_defs(watch.walk.projects["rehearsal"], environment="rehearsal")
    job = definitions.resolve_job_def("rehearsal")
    instance = watch.walk.instance
    run = instance.create_run_for_job(job, run_config=QUIET, tags={**job.run_tags, **(tags or {})})
    event = DagsterEvent("PIPELINE_START", job.name, message="it starts")
    instance.report_dagster_event(event, run.run_id)
    return run


def test_a_run_that_is_killed_is_told(watch: Watch) -> None:
    assert watch.launch()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    created_at = psutil.Process(process.pid).create_time()
    run = create_run(watch, tags={PROCESS_TAG: f"{platform.node()} {process.pid} {created_at:.2f}"})
    assert end_dead_runs(watch.walk.instance) == [] and watch.look() == []  # it is at work
    process.kill()
    process.wait(60)
    assert end_dead_runs(watch.walk.instance) == [run.run_id]
    require_one(watch.look(), "rehearsal was interrupted", "was killed", run.run_id)
    require_good_again(watch)


def test_a_target_that_is_gone_is_told_by_what_dagster_knows(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch.launch()
    assert watch.look() == []
    url = os.environ["BLB_REHEARSAL_TARGET_CONN"]
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", url.replace(url.rsplit("/", 1)[1], "gone"))
    assert not watch.launch()
    [post] = watch.look()
    assert post["title"] == "shop: rehearsal failed"
    assert "/gone: the database does not exist" in post["message"]
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", url)
    require_good_again(watch)


def test_a_run_that_was_kept_out_is_told(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_RUN_WAIT", "0")
    assert watch.launch()
    assert watch.look() == []
    with holding_target(watch.walk.chains["rehearsal"].target, "another") as hold:
        hold.ensure()
        assert not watch.launch()
        require_one(watch.look(), "rehearsal was refused", "holds")
    require_good_again(watch)


def two_days_ago() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)


def look_late(watch: Watch, minutes: float) -> list[dict[str, Any]]:
    """Look once when the last night was due ``minutes`` ago, or longer."""
    now = datetime.datetime.now(datetime.UTC)
    return watch.look(max(now, find_due(now, "UTC") + datetime.timedelta(minutes=minutes)))


def test_a_night_that_is_left_out_is_told_once(watch: Watch) -> None:
    watch.cursor = None
    assert watch.look(two_days_ago()) == []
    require_one(look_late(watch, 31), "the night's rehearsal did not begin", "no run has begun", "due at")
    assert look_late(watch, 32) == []
    assert watch.launch()
    [post] = look_late(watch, 33)
    assert post["title"] == "shop: rehearsal: equal again"


def test_a_night_that_the_ledger_has_first_is_told_in_the_same_words(watch: Watch) -> None:
    assert watch.launch()
    assert watch.look() == []
    watch.walk.chains["rehearsal"].execute(
        "UPDATE blb_migration.runs SET started_at = started_at - interval '2 days'"
    )
    due = find_due(datetime.datetime.now(datetime.UTC), "UTC")
    night = LateNight(due, NOT_BEGUN, f"It was due at {due:%Y-%m-%d %H:%M} UTC.", SEE_WHY, None)
    resource = MigrationResource(watch.walk.projects["rehearsal"], environment="rehearsal")
    assert record_late_night(night, resource)
    require_one(watch.look(), NOT_BEGUN, "It was due at", "nightly_rehearsal is on")
    assert watch.look() == []


def test_a_night_that_is_not_over_in_time_is_told(watch: Watch) -> None:
    watch.cursor = None
    assert watch.look(two_days_ago()) == []
    run = create_run(watch)
    require_one(look_late(watch, 361), "the night's rehearsal is not over in time", run.run_id)
    assert look_late(watch, 361) == []


def test_production_has_no_night(watch: Watch) -> None:
    watch.environment, watch.cursor = "production", None
    assert watch.look(two_days_ago()) == []
    assert look_late(watch, 400) == []


def test_a_run_of_the_other_environment_is_not_told(watch: Watch) -> None:
    production = Watch(watch.walk, watch.webhook, "production")
    assert production.look() == []
    watch.break_table()
    assert not watch.launch()
    assert production.look() == []
    assert len(watch.look()) == 1


def test_a_run_of_a_command_without_this_dagster_is_told(watch: Watch) -> None:
    assert watch.launch()
    assert watch.look() == []
    watch.break_table()
    with DagsterInstance.ephemeral() as elsewhere:
        here, watch.walk.instance = watch.walk.instance, elsewhere
        assert not watch.launch()
        watch.walk.instance = here
    require_one(watch.look(), "rehearsal failed", "tiny")
    assert watch.look() == []


def test_a_restarted_daemon_repeats_nothing(watch: Watch) -> None:
    watch.break_table()
    assert not watch.launch()
    before = watch.cursor
    assert len(watch.look()) == 1
    assert watch.look() == []
    told, watch.cursor = watch.cursor, before  # the daemon ended before it could keep the cursor
    assert len(watch.look()) == 1
    watch.cursor = told
    assert watch.look() == []


def test_a_service_that_is_down_loses_nothing_and_the_sensor_says_so(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving_mail() as mailbox:
        monkeypatch.setenv("BLB_ALERT_URLS", f"{watch.webhook.url} {mailbox.url}")
        watch.webhook.is_down = True
        watch.break_table()
        assert not watch.launch()
        assert watch.look() == []
        assert watch.said.startswith(
            "NOT SENT, kept and tried again: alert 'shop: rehearsal failed': address 1 (json)"
        )
        assert len(mailbox.letters) == 1
        assert watch.look() == [] and "1 alerts wait after 1 tries" in str(watch.error)
        watch.webhook.is_down = False
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
        require_one(watch.look(later), "rehearsal failed", "tiny")
        assert watch.look() == [] and watch.error is None
        assert len(mailbox.letters) == 1
    assert TOKEN not in str(watch.cursor) + watch.said
    assert "example.com" not in str(watch.cursor)


def test_the_sensor_is_on_where_somebody_is_to_be_told(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = MigrationResource(watch.walk.projects["production"])
    assert build_alert_sensor(resource).default_status is DefaultSensorStatus.RUNNING
    monkeypatch.delenv("BLB_ALERT_URLS")
    assert build_alert_sensor(resource).default_status is DefaultSensorStatus.STOPPED
    watch.look()
    assert watch.said == "nobody is to be told: BLB_ALERT_URLS is not set"


def test_the_nightly_report_has_dagsters_own_freshness_policy(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_TIMEZONE", "Europe/Berlin")
    monkeypatch.setenv("BLB_NIGHT_ENDS_WITHIN", "270")
    key = place_key(RECONCILIATION_REPORT, "rehearsal")
    graph = build_defs(watch.walk.projects["rehearsal"], environment="rehearsal").resolve_asset_graph()
    policy: Any = graph.get(key).freshness_policy_or_from_metadata
    assert (policy.deadline_cron, policy.timezone) == ("30 6 * * *", "Europe/Berlin")
    assert policy.lower_bound_delta == datetime.timedelta(hours=4, minutes=30)
    production = build_defs(watch.walk.projects["production"]).resolve_asset_graph()
    assert production.get(RECONCILIATION_REPORT).freshness_policy_or_from_metadata is None
