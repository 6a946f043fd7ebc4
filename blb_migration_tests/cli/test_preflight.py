"""`blb-migrate preflight` names everything at once, for people and for programs, and writes nothing."""

from __future__ import annotations

import json

from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests.cli.servers import Shop


def test_a_sound_pair_of_databases_is_said_to_be_so(shop: Shop) -> None:
    answer = shop.run("preflight")
    assert answer.code == 0, answer.err
    assert "4 tables" in answer.out
    assert "0 errors" in answer.out


def test_findings_come_with_rows_keys_and_the_decision_to_paste(shop: Shop) -> None:
    shop.target(
        "ALTER TABLE orders ALTER COLUMN total TYPE numeric(18,0), ALTER COLUMN status TYPE varchar(2)"
    )
    answer = shop.run("preflight")
    assert answer.code == 3
    lines = answer.out.splitlines()
    first = [line for line in lines if line.startswith("error")]
    assert any("orders.status" in line and "texts longer than" in line for line in first)
    assert "{status: {on_too_long: truncate" in answer.out
    severities = [
        line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in ("error", "note")
    ]
    assert severities == sorted(severities)
    assert shop.target("SELECT to_regclass('blb_migration.runs') IS NULL") == [(True,)]


def test_the_findings_can_be_had_as_json(shop: Shop) -> None:
    shop.target("ALTER TABLE orders ALTER COLUMN status TYPE varchar(2)")
    answer = shop.run("preflight", "--json")
    assert answer.code == 3
    document = json.loads(answer.out)
    assert document["isolation"] == "read committed"
    assert document["source_driver"] == str(load_driver(None))
    [error] = [finding for finding in document["findings"] if finding["severity"] == "error"]
    assert (error["code"], error["subject"]) == ("text_longer_than", "orders.status")
    assert error["row_count"] == len(error["first_keys"]) > 0
