"""An operator's day, through a real daemon and web server: what goes wrong is red, on record and told once.

One set of servers for the whole day. Each time the verdict is red within half a minute with the right first
reason, ledger and `blb-migrate history` have the run, and one alert has arrived: at a web server and at a
mail server. A run counts from its end, what happens to a run from then, a night from its deadline.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from blb_migration.cli.main import main
from blb_migration.defs.dead_runs import PROCESS_TAG
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.settings.environments import PRODUCTION, REHEARSAL, Environment
from blb_migration_tests.cli.operators_day import (
    NIGHT_BEGINS_WITHIN_MINUTES,
    TERMINATE,
    Day,
    beginning_day,
    wait_for,
)
from blb_migration_tests.defs.walk import JOBS

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(
        os.name == "nt", reason="ends the UI by a signal of a terminal, and kills as POSIX can"
    ),
]
RED_WITHIN_SECONDS = 30


@pytest.fixture(scope="module")
def day(
    engine: TsqlEngine,
    emulator: SqlServerEmulator,
    embedded_postgres: EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Day]:
    with beginning_day(engine, emulator, embedded_postgres, tmp_path_factory.mktemp("day")) as day:
        yield day


def read_history(day: Day, environment: Environment, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return nights and comparisons by their run, as the command tells them."""
    capsys.readouterr()
    assert main(["history", "--json", "--target-conn", day.walk.chains[environment].target_url]) == 0
    told = json.loads(capsys.readouterr().out)
    return {run["run_id"]: run for run in [*told["list"], *told["comparisons"]]}


@dataclass(frozen=True)
class Expected:
    """What a case comes to; ``reason`` is within the first reason and the alert. ``outcome`` is the run's,
    ``alert`` the alert's title, both as patterns."""

    reason: str
    outcome: str
    alert: str
    environment: Environment = PRODUCTION


def require_red(
    day: Day, capsys: pytest.CaptureFixture[str], run_id: str, caused_at: float, expected: Expected
) -> None:
    """Require that the run is red in time, told once, and in ledger and history. ``caused_at``: UNIX time."""
    environment = expected.environment
    told = day.await_verdict(environment, run_id, RED_WITHIN_SECONDS, passed=False)
    assert expected.reason in told.reasons[0], told
    failures: list[dict[str, Any]] = []

    def has_come() -> bool:
        failures.extend(day.take_failures(environment))
        return bool(failures)

    wait_for(has_come, RED_WITHIN_SECONDS, lambda: "no alert came")
    [alert] = failures
    red_after, alert_after = told.told_at - caused_at, alert["came_at"] - caused_at
    assert max(red_after, alert_after) < RED_WITHIN_SECONDS, (red_after, alert_after)
    assert re.fullmatch(f"shop: {expected.alert}", alert["title"]), alert
    assert expected.reason in alert["message"], alert
    assert f"Run: {run_id}" in alert["message"] or environment == REHEARSAL  # whose night has no run
    outcomes = dict(day.walk.chains[environment].execute("SELECT run_id, outcome FROM blb_migration.runs"))
    assert re.fullmatch(expected.outcome, outcomes[run_id])
    assert read_history(day, environment, capsys)[run_id]["outcome"] == outcomes[run_id]
    with capsys.disabled():
        print(  # noqa: T201 - what was measured
            f"\n{alert['title']}: red after {red_after:.1f} s, told after {alert_after:.1f} s:"
            f" {told.reasons[0]}"
        )


def test_a_value_is_broken_on_the_target(day: Day, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = day.read_verdict()
    if verdict is None or not verdict.passed:  # the day's first case begins with green
        day.mend()
        day.make_green()
    day.execute("UPDATE orders SET note = 'other' WHERE id = 1")
    run_id = day.launch(JOBS[PRODUCTION][1])
    expected = Expected("differs", "not equal", "comparison of production ended not equal")
    require_red(day, capsys, run_id, day.await_end(run_id), expected)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(
            "ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2) NOT VALID",
            Expected("tiny", "failed", "migration of production failed"),
            id="a table fails",
        ),
        pytest.param(
            "ALTER TABLE orders DROP COLUMN note",
            Expected("catalog.json", "refused", "migration of production was refused"),
            id="preflight refuses",
        ),
    ],
)
def test_a_migration_fails(
    day: Day, capsys: pytest.CaptureFixture[str], damage: str, expected: Expected
) -> None:
    day.mend()
    day.execute(damage)
    run_id = day.launch()
    require_red(day, capsys, run_id, day.await_end(run_id), expected)


def test_a_run_is_terminated(day: Day, capsys: pytest.CaptureFixture[str]) -> None:
    day.mend()
    with day.holding_run() as run_id:
        terminated_at = time.time()
        answer = day.ui.ask(TERMINATE, id=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer
        what = "migration of production was interrupted"
        expected = Expected("the run was interrupted", "interrupted", what)
        require_red(day, capsys, run_id, terminated_at, expected)


def test_a_run_is_killed(day: Day, capsys: pytest.CaptureFixture[str]) -> None:
    day.mend()
    with day.holding_run() as run_id:
        process = day.read_tag(run_id, PROCESS_TAG).split(" ")[1]
        killed_at = time.time()
        os.kill(int(process), signal.SIGKILL)
        # Dagster's sensor has it failed; whoever takes the target before that sensor looks, interrupted.
        told = "migration of production (failed|was interrupted)"
        expected = Expected("was killed", "failed|interrupted", told)
        require_red(day, capsys, run_id, killed_at, expected)


def test_a_night_is_left_out(day: Day, capsys: pytest.CaptureFixture[str]) -> None:
    due_at = day.night_due.timestamp()
    assert day.list_looks()[0] < due_at, "the servers took so long that this night was before their time"
    late_at = due_at + 60 * NIGHT_BEGINS_WITHIN_MINUTES
    time.sleep(max(late_at - time.time(), 0))
    what = "the night's rehearsal did not begin"
    expected = Expected("no run has begun", "failed", what, REHEARSAL)
    require_red(day, capsys, f"night-{day.night_due:%Y%m%d-%H%M}", late_at, expected)


def test_all_is_equal_again_and_nothing_was_told_twice(day: Day) -> None:
    day.mend()
    day.make_green()
    failures: list[dict[str, Any]] = []

    def is_told() -> bool:
        failures.extend(day.take_failures())
        return day.titles[-1:] == ["shop: migration of production: equal again"]

    wait_for(is_told, RED_WITHIN_SECONDS, lambda: f"told was {day.titles}")
    assert failures == [] == day.take_failures(REHEARSAL)  # each was told before, in its own case

    def list_letters() -> list[str]:
        return sorted(str(letter["Subject"]) for letter in day.mailbox.letters)

    wait_for(
        lambda: list_letters() == sorted(day.titles),  # the mail server is told after the web server
        RED_WITHIN_SECONDS,
        lambda: f"letters are {list_letters()}, posts were {sorted(day.titles)}",
    )
