"""`blb-migrate reconcile` compares what is there and loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

from blb_migration_tests.cli.servers import Shop


def test_a_value_changed_by_hand_is_shown_with_both_sides_its_key_and_its_file(shop: Shop) -> None:
    shop.migrate()
    assert shop.run("reconcile").code == 0
    shop.target("UPDATE orders SET total = 0.11 WHERE id = 5")
    answer = shop.run("reconcile", "--output", str(shop.report_path))
    assert answer.code == 1
    assert "NOT EQUAL  sum(total): expected 30.85, found 30.86, difference 0.01" in answer.out
    assert shop.target("SELECT total::text FROM orders WHERE id = 5") == [("0.11",)]
    assert shop.report["key_totals"]["orders"]["match"] is False
    assert shop.report["key_totals"]["customers"]["match"] is True
    assert re.search(r"orders +NOT EQUAL  id=5, total: '\S+' became '0\.11'", answer.out), answer.out
    [path] = re.findall(r"orders +what differs, by key and column: (\S+\.csv)", answer.out)
    assert "total" in Path(path).read_text(encoding="utf-8-sig")


def test_an_unknown_table_is_answered_with_the_nearest(shop: Shop) -> None:
    answer = shop.run("reconcile", "--tables", "custommers")
    assert answer.code == 2
    assert "did you mean customers?" in answer.err


def test_a_table_that_was_never_loaded_is_not_equal(shop: Shop) -> None:
    answer = shop.run("reconcile", "--tables", "customers")
    assert answer.code == 1
    assert "no finished load" in answer.err


def test_tables_asked_for_are_compared_and_spoken_of_alone(shop: Shop) -> None:
    shop.migrate()
    shop.target("UPDATE orders SET total = 0.11 WHERE id = 5")
    assert shop.run("reconcile", "--tables", "customers", "dbo.Articles").code == 0
    assert shop.run("reconcile", "--tables", "orders").code == 1
    shop.target("UPDATE articles SET name = name || '!' WHERE id = 1")
    answer = shop.run("reconcile", "--tables", "articles")
    assert answer.code == 1
    assert "orders" not in answer.out + answer.err
    assert "Not proven equal, of 1 tables asked for: articles." in answer.out
    answer = shop.run("reconcile", "--tables", "customers")
    assert answer.code == 0
    assert "Equal, of what was asked for: customers." in answer.out
    assert "orders" not in answer.out + answer.err
