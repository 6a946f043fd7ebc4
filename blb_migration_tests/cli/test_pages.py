"""What an operator sees in a browser: from a red check to the row, and the report on phone and paper."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest

from blb_migration_tests.browser import LAPTOP, find_outside, keep_picture, open_browser
from blb_migration_tests.cli.served_ui import Ui, open_ui
from blb_migration_tests.cli.servers import PASSWORD, Shop, int32s
from blb_migration_tests.cli.test_no_values_in_errors import find_leaks

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends the UI by a signal of a terminal")

SECRET = "$2b$12$ZmFtb3Vz, Hintergasse 17"  # what find_leaks looks for, and an address beside it


def plant_secrets(shop: Shop) -> None:
    """Give a customer a password hash and an address, which decisions.yaml hides."""
    name = shop.source_url.rpartition("/")[2].partition("?")[0].lower()
    rows = pa.table({"id": int32s(3), "name": [SECRET]})
    shop.servers.engine.databases[name].load("dbo.customers", rows)
    path = shop.folder / "decisions.yaml"
    hidden = "tables:\n  customers: {columns: {name: {hide: A hash and an address.}}}\n"
    path.write_text(path.read_text(encoding="utf-8").replace("tables:\n", hidden), encoding="utf-8")


def find_passwords(shop: Shop, home: Path) -> list[str]:
    """Return the files below the UI's home that hold a password of either URL, as it is or quoted."""
    urls = (shop.source_url, shop.target_url)
    passwords = {url.partition("://")[2].rpartition("@")[0].partition(":")[2] for url in urls}
    forms = [form.encode() for each in passwords for form in (each, unquote(each)) if form]
    assert PASSWORD.encode() in forms
    files = [path for path in home.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


def read_check(ui: Ui, page: Any, table: str, check: str, *expected: str) -> None:
    """Open the page of a check, and find the texts on it without scrolling."""
    page.goto(ui.url(f"/assets/{table}?view=checks&checkDetail={check}"))
    page.get_by_text(expected[0]).first.wait_for()
    keep_picture(page, f"{table}-{check}")
    assert find_outside(page, *expected, "Execute") == []


def test_from_a_red_check_to_the_row_without_scrolling(shop: Shop, tmp_path: Path) -> None:
    plant_secrets(shop)
    home = tmp_path / "home"
    with open_ui(shop, home) as ui, open_browser() as browser:
        ui.run("migration")
        shop.target("UPDATE orders SET total = 20.26 WHERE id = 2")
        shop.target(f"UPDATE customers SET name = '{SECRET}2' WHERE id = 3")
        run_id = ui.run("reconcile")
        page = browser.new_page(viewport=LAPTOP)
        cell = "id=2, total: expected 20.25, found 20.26"
        read_check(ui, page, "orders", "content", cell, "Next: find out who changed orders", "changed_rows")
        total = "sum(total): expected 30.85, found 30.86, difference 0.01"
        read_check(ui, page, "orders", "key_totals", total, "Next: find out who changed orders")
        read_check(ui, page, "orders", "integrity", "promises of the target kept")
        why = ("Do not cut over. Settle what the report lists", "content differs")
        read_check(ui, page, "reconciliation_report", "may_we_cut_over", "blocked_by", *why)
        hidden = "id=3, name: expected (hidden), found (hidden)"
        read_check(ui, page, "customers", "content", hidden)

        status, text, kind = ui.get(f"/blb/files/differences/{run_id}/orders.csv")
        assert (status, kind) == (200, "text/csv; charset=utf-8")
        assert b'"changed","id=2","total","20.25","20.26"' in text
        document = json.loads(ui.get(f"/blb/files/reports/{run_id}/report.json")[1])
        assert (document["verdict_status"], document["run"]["run_id"]) == ("not_equal", run_id)

        page.goto(ui.url("/assets/reconciliation_report"))
        link = page.get_by_text(f"/blb/files/reports/{run_id}/report.html")
        link.first.wait_for()
        keep_picture(page, "report-asset")
        page.goto(ui.url(f"/blb/files/reports/{run_id}/report.html"))
        page.get_by_text("NOT EQUAL").first.wait_for()

    assert find_leaks(shop, home) == []
    assert find_passwords(shop, home) == []
