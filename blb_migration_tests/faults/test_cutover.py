"""The short form of ``faults.cutover``: a few kills and failures of the night; each ends whole or back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from blb_migration_tests.cli.conftest import servers
from blb_migration_tests.cli.servers import Servers
from blb_migration_tests.faults import cutover_failures, cutover_kills
from blb_migration_tests.faults.cutover_commands import Kill
from blb_migration_tests.faults.cutover_failures import FAILURES
from blb_migration_tests.faults.cutover_ground import Ground, judge, shop_of
from blb_migration_tests.faults.cutover_kills import BACK, THERE, Try

__all__ = ["servers"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL, and no process is forked")


@pytest.fixture(scope="module")
def ground(servers: Servers) -> Iterator[Ground]:
    ground = Ground(servers, "night_ground")
    yield ground
    ground.close()


@pytest.fixture(scope="module")
def tries(ground: Ground) -> list[Try]:
    return cutover_kills.list_tries(ground)


def find_try(tries: list[Try], text: str, way: str) -> Try:
    one = next(one for one in tries if str(one).startswith(text))
    return Try(one.command, one.kill, way)


def test_every_line_and_act_is_known(tries: list[Try]) -> None:
    for command, step_count in ((THERE, 10), (BACK, 10)):
        names = [one.kill.name for one in tries if one.command == command and not one.kill.is_act]
        assert len(names) >= 3 * 2 * step_count
        acts = {one.kill.name for one in tries if one.command == command and one.kill.is_act}
        assert "switch.rename_folder" in acts and "answering.run_command" in acts


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("cutover killed between switch intent", BACK),
        ("cutover killed before switch evidence", THERE),
        ("rollback killed before switch undone", THERE),
        ("rollback killed after saving.withdraw_live_mark", BACK),
    ],
)
def test_a_killed_night_ends_whole_or_back(ground: Ground, tries: list[Try], text: str, way: str) -> None:
    outcome = cutover_kills.carry_out(ground, find_try(tries, text, way))
    assert outcome.is_good, outcome.why


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("the test backend starts slowly", BACK),
        ("a sequence too low: log-in answers 500", THERE),
    ],
)
def test_a_night_that_fails_ends_whole_or_back(ground: Ground, name: str, way: str) -> None:
    failure = next(one for one in FAILURES if one.name == name)
    outcome = cutover_failures.carry_out(ground, failure, way)
    assert outcome.is_good, outcome.why


def test_a_night_that_ends_between_is_told(ground: Ground) -> None:
    """What judges must be able to say no."""
    with ground.open_night() as town:
        kill = Kill(1, "before")
        assert shop_of(town).run("cutover", "--execute", kill=kill).code < 0
        (town.new / ".env").write_text("DB_TYPE=postgresql\n", encoding="utf-8")
        end, why = judge(town)
    assert end == "between" and "Shop_Dev still names PostgreSQL" in why
