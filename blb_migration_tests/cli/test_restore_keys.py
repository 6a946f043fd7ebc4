"""``blb-migrate restore-keys``: what a killed run has left dropped is back, and rows in the way are named."""

from __future__ import annotations

import pytest

from blb_migration.load.finish import RestoredConstraints
from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.cli.test_migration import FOREIGN_KEYS


@pytest.fixture
def broken_off(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return a shop whose run was killed after its last table: no end restored its keys."""
    with monkeypatch.context() as patched:
        patched.setattr("blb_migration.load.table.write_table", _fail)
        patched.setattr(
            "blb_migration.load.finish.restore_after_run", lambda *_, **__: RestoredConstraints(())
        )
        shop.migrate()
    assert shop.target(FOREIGN_KEYS) == [(0,)]
    return shop


def _fail(_task: object) -> object:
    raise ValueError("killed")


def restore(shop: Shop) -> tuple[int, str, str]:
    answer = shop.run("restore-keys", urls=["--target-conn", shop.target_url])
    return answer.code, answer.out, answer.err


def test_dropped_keys_are_back(broken_off: Shop) -> None:
    assert restore(broken_off) == (0, "2 of 2 foreign keys restored and validated.\n", "")
    assert broken_off.target(FOREIGN_KEYS) == [(2,)]
    assert restore(broken_off)[1].startswith("Nothing to restore")


def test_rows_in_the_way_are_named_and_all_other_keys_are_back(broken_off: Shop) -> None:
    broken_off.target("INSERT INTO orders VALUES (1, 404)")
    code, out, err = restore(broken_off)
    assert (code, out) == (1, "1 of 2 foreign keys restored and validated.\n")
    assert (
        "public.orders.orders_customer_id_fkey: 1 rows refer to no parent, first id=1 (customer_id=404)"
        in err
    )
    assert broken_off.target(FOREIGN_KEYS) == [(1,)]
    broken_off.target("DELETE FROM orders")
    assert restore(broken_off)[0] == 0
    assert broken_off.target(FOREIGN_KEYS) == [(2,)]


def test_a_target_without_a_ledger_has_nothing_to_restore(shop: Shop) -> None:
    code, out, _ = restore(shop)
    assert (code, out.startswith("Nothing to restore")) == (0, True)
    assert shop.target("SELECT 1 FROM pg_namespace WHERE nspname = 'blb_migration'") == []
