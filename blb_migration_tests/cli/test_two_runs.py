"""Two runs into one target: the second waits, saying for whom, or refuses by name; nothing deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from blb_migration import waiting
from blb_migration.postgres.target_hold import take_hold
from blb_migration_tests.cli.servers import Shop

ELSEWHERE = "run 0ther-ru on erp-host, process 4711, since 20"


@contextmanager
def held_by_another_run(shop: Shop) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(shop.target_url, autocommit=True) as session:
        assert take_hold(session, "0ther-run", "erp-host", 4711) is None
        yield session


@pytest.mark.parametrize(
    "arguments",
    [(), ("--dry-run",), ("--create-schema",), ("reconcile",), ("schema", "--apply"), ("restore-keys",)],
    ids=" ".join,
)
def test_a_second_run_refuses_by_name_before_it_touches_anything(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BLB_RUN_WAIT", "0.1")
    with held_by_another_run(shop):
        answer = shop.run(*arguments)
    assert answer.code == 3
    assert ELSEWHERE in answer.err
    assert "BLB_RUN_WAIT" in answer.err
    assert shop.target("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'blb%'") == []


def test_it_waits_and_says_for_whom_and_goes_on_when_the_other_has_ended(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SAY_EVERY_SECONDS", 0.5)
    with held_by_another_run(shop) as session:
        timer = threading.Timer(2.5, session.close)
        timer.start()
        answer = shop.migrate()
        timer.join()
    assert answer.code == 0
    assert answer.err.count(f"waiting for the target: {ELSEWHERE}") >= 2
    assert "of at most 90 s" in answer.err


def test_preflight_only_reads_waits_for_nobody_and_says_who_may_change_the_target(shop: Shop) -> None:
    with held_by_another_run(shop):
        answer = shop.run("preflight")
    assert answer.code == 0
    assert f"the target is changing while preflight reads it: {ELSEWHERE}" in answer.err


def test_commands_at_once_come_one_after_the_other(shop: Shop) -> None:
    """Without the hold: "deadlock detected", "constraint does not exist", tables taken by one another."""
    from blb_migration.cli.main import main

    arguments = ["--source-conn", shop.source_url, "--target-conn", shop.target_url]
    arguments += ["--project", str(shop.folder)]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(main(arguments))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = shop.capture.readouterr()
    assert codes == [0, 0, 0], said.err
    assert "deadlock" not in said.err
    assert shop.target("SELECT outcome FROM blb_migration.runs") == [("equal",)] * 3
