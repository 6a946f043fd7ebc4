"""The report on a phone and on paper: nothing is cut off, and what one signs stands on one page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blb_migration.postgres.ledger.records import DecisionRecord, NotMigratedRecord
from blb_migration.report.page import render_page
from blb_migration.report.sentences import Ending
from blb_migration_tests.browser import PHONE, keep_picture, open_browser
from blb_migration_tests.report.facts import (
    RUN,
    document_of,
    finding,
    loaded_table,
    metric,
    nights_facts,
    summary,
)

# Of A4 without the margins of report.css, in CSS pixels: 182 mm by 266 mm.
PAPER = {"width": 688, "height": 1005}


def build_large(*, is_equal: bool) -> dict[str, Any]:
    """Build the report of a night with everything in it."""
    tables = [loaded_table(f"a_rather_long_table_name_{number}", number) for number in range(1, 60)]
    if not is_equal:
        rows = metric("rows", "7", "6", difference="-1")
        tables += [loaded_table(f"differing_{number}", 60, row_count=[rows]) for number in range(8)]
    return document_of(
        *tables,
        run=replace(
            RUN,
            environment="production",
            source="mssql://sa:***@a-rather-long-host-name.example.internal:1433/BLB3D_ERP_PRODUCTION",
            errors=() if is_equal else tuple(f"table t{number}: it failed" for number in range(5)),
        ),
        ending=Ending.COMPLETED,
        findings=tuple(finding("warning", f"t{number}", "is said to be wide") for number in range(40)),
        decisions=tuple(
            DecisionRecord(f"t{number}.c", name, "Because it is so.", 3)
            for number in range(9)
            for name in ("hide", "on_null: fill 0", "on_too_precise: round", "replace_rows")
        ),
        not_migrated=tuple(
            NotMigratedRecord(kind, f"dbo.{kind}_{number}", "It stays behind.")
            for kind in ("table", "column", "view", "procedure")
            for number in range(20)
        ),
        history=(summary(1), summary(2)),
        nights=nights_facts(8),
    )


@pytest.mark.parametrize("is_equal", [True, False], ids=["equal", "not equal"])
def test_it_is_readable_on_a_phone_and_signed_on_one_page(tmp_path: Path, is_equal: bool) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_page(build_large(is_equal=is_equal)), encoding="utf-8")
    name = "equal" if is_equal else "not-equal"
    with open_browser() as browser:
        phone = browser.new_page(viewport=PHONE)
        phone.goto(path.as_uri())
        keep_picture(phone, f"report-390-{name}")
        assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        head = phone.locator("header").inner_text()
        assert "production" in head and "BLB3D_ERP_PRODUCTION" in head and "pg/shop" in head

        moved = "each => each.scrollWidth - each.clientWidth"
        pictures = phone.evaluate(
            f"[...document.querySelectorAll('.pair figure, .triple figure')].map({moved})"
        )
        assert len(pictures) > 3 and {*pictures} == {0}  # each is seen whole
        narrow = "each => each.getBoundingClientRect().width < 160"
        assert not phone.evaluate(f"[...document.querySelectorAll('td.why')].some({narrow})")

        compared = phone.locator(".nights")
        keep_picture(compared, f"nights-390-{name}")
        told = compared.inner_text()
        assert "200 rows more, in 1 table" in told and "a chance of 1 in 9" in told
        assert "orders.total: it was dropped" in told

        paper = browser.new_page(viewport=PAPER)
        paper.emulate_media(media="print")
        paper.goto(path.as_uri())
        keep_picture(paper, f"report-a4-{name}")
        assert paper.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
        keep_picture(paper.locator(".nights"), f"nights-a4-{name}")
        sheet = paper.locator(".sign")
        box = sheet.bounding_box()
        assert box["y"] + box["height"] <= PAPER["height"]
        signed = sheet.inner_text()
        for words in ("Cutover criteria", "Decided", "carried out by anna", "SHA-256", "Audit, date"):
            assert words in signed
        criteria = sheet.locator(".criteria tr").all_inner_texts()
        unmet = [line for line in criteria if line.startswith("✖")]
        assert bool(unmet) is not is_equal
        if not is_equal:
            assert any("Row count equal" in line and "59 of 67 tables" in line for line in unmet)
