"""Whatever the command does, it only reads the source: the whole log of statements of every subcommand."""

from __future__ import annotations

import time

import pytest

from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.sqlserver.only_reads import find_writes, is_option

SECONDS_TO_HANG_UP = 30.0


def test_the_whole_log_of_a_migration_holds_nothing_but_reads(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_CHUNKED_FROM_ROWS", "4")  # `lines` is loaded in chunks
    server = shop.servers.sql_server
    before = server.session_ids
    server.statements.clear()
    document = ("--output", str(shop.report_path))
    for command in (
        ("plan",), ("preflight",), ("--dry-run", *document), document,
        ("reconcile", "--reread"), ("report", *document),
    ):  # fmt: skip
        answer = shop.run(*command)
        assert answer.code == 0, (command, answer)

    read = list(server.statements)
    assert len(read) > 100
    assert find_writes(statement.text for statement in read) == []
    assert {statement.kind for statement in read} <= {"batch", "prepare", "execute", "transaction"}
    # An option lasts as long as its session: none of these is left, also not in a driver's pool.
    changed = {statement.session_id for statement in read if is_option(statement.text)} - before
    until = time.monotonic() + SECONDS_TO_HANG_UP
    while changed & server.session_ids and time.monotonic() < until:
        time.sleep(0.05)
    assert changed & server.session_ids == frozenset()
