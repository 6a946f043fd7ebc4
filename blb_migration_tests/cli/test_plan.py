"""`blb-migrate plan` shows the plan, keeps the catalogs, and begins new projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blb_migration.cli.init import build_decisions
from blb_migration.cli.main import main
from blb_migration.plan.build import build_plan
from blb_migration.plan.project import load_project
from blb_migration_tests.catalogs import catalog, table
from blb_migration_tests.cli.servers import Shop


def test_the_plan_shows_order_targets_rows_and_what_stays_behind(shop: Shop) -> None:
    out = shop.run("plan", "--check").out
    lines = out.splitlines()
    order = [line.split()[2] for line in lines if line.split()[:1] and line.split()[0].isdigit()]
    assert order[:4] == ["dbo.articles", "dbo.customers", "dbo.orders", "dbo.lines"]
    assert any("dbo.orders" in line and "public.orders" in line and " 3 " in line for line in lines)
    assert any("dbo.notes" in line and "Notes stay behind." in line for line in lines)
    assert "4 tables, 0 findings need a decision" in out


def test_checking_writes_nothing_and_says_by_its_code_that_something_is_open(shop: Shop) -> None:
    before = (shop.folder / "catalog.json").read_text(encoding="utf-8")
    shop.target("DROP TABLE lines")
    answer = shop.run("plan", "--check")
    assert answer.code == 3
    assert "there is no table public.lines" in answer.out
    assert (shop.folder / "catalog.json").read_text(encoding="utf-8") == before


def test_planning_refreshes_the_catalog_and_leaves_the_decisions_alone(shop: Shop) -> None:
    decisions = (shop.folder / "decisions.yaml").read_text(encoding="utf-8")
    shop.target("ALTER TABLE articles ADD COLUMN colour text")
    answer = shop.run("plan")
    assert answer.code == 0
    assert "target: 1 changed (public.articles)" in answer.out
    project = load_project(shop.folder)
    [articles] = [table for table in project.target if table.name.name == "articles"]
    assert "colour" in articles.columns_by_name
    assert (shop.folder / "decisions.yaml").read_text(encoding="utf-8") == decisions


def test_two_readings_of_the_same_databases_are_equal(shop: Shop) -> None:
    before = json.loads((shop.folder / "catalog.json").read_text(encoding="utf-8"))
    shop.run("plan")
    assert json.loads((shop.folder / "catalog.json").read_text(encoding="utf-8")) == before


def test_a_new_project_asks_every_open_question_in_a_comment(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "My Shop"
    shop.target("DROP TABLE lines")
    arguments = ["init", "--source-conn", shop.source_url, "--target-conn", shop.target_url]
    assert main([*arguments, str(folder)]) == 0
    text = (folder / "decisions.yaml").read_text(encoding="utf-8")
    project = load_project(folder)
    assert project.name == "My_Shop"
    assert project.decisions_file.decisions.schemas == {"dbo": "public"}
    comments = " ".join(line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    assert "there is no table public.lines" in comments
    assert "there is no table public.notes" in comments
    assert "project: My_Shop" in text


@pytest.mark.parametrize(
    ("schemas", "expected"),
    [
        (["Sales", "Warehouse"], {}),
        (["Sales", "dbo"], {"dbo": "public"}),
        (["Sales"], {"Sales": "public"}),
        ([], {"dbo": "public"}),
    ],
)
def test_public_stands_for_dbo_or_the_only_schema(schemas: list[str], expected: dict[str, str]) -> None:
    source = catalog("sqlserver", *(table("things", "id int not null", schema=schema) for schema in schemas))
    decisions = build_decisions("shop", source, catalog("postgres")).decisions
    assert decisions.schemas == expected
    assert build_plan(source, catalog("postgres"), decisions).faults == ()


def test_a_new_project_spells_names_as_its_target_does() -> None:
    source = catalog("sqlserver", table("OrderLines", "LineID int not null", schema="Sales", key="LineID"))
    target = catalog("postgres", table("order_lines", "line_id integer not null", schema="public"))
    decisions = build_decisions("shop", source, target).decisions
    assert (decisions.names, decisions.schemas) == ("snake", {"Sales": "public"})
    plan = build_plan(source, target, decisions)
    assert [(column.source.name, column.target.name) for column in plan.tables[0].columns] == [
        ("LineID", "line_id")
    ]
    assert plan.findings == ()


def test_a_new_project_can_be_migrated_once_it_is_decided(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    databases = ["--source-conn", shop.source_url, "--target-conn", shop.target_url]
    assert main([*databases, "init", str(folder)]) == 0
    databases += ["--project", str(folder)]
    assert main(databases) == 3
    decisions = folder / "decisions.yaml"
    decided = decisions.read_text(encoding="utf-8").replace(
        "tables: {}", "tables: {notes: {skip: Not needed.}}"
    )
    decisions.write_text(decided, encoding="utf-8")
    assert main(databases) == 0


def test_the_type_rules_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["types"]) == 0
    out = capsys.readouterr().out
    assert "datetimeoffset" in out
    assert "timestamp with time zone" in out


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("view", "CREATE VIEW lines AS SELECT 1 AS id"),
        ("materialized view", "CREATE MATERIALIZED VIEW lines AS SELECT 1 AS id"),
        ("sequence", "CREATE SEQUENCE lines"),
        (
            "partition of another table",
            "CREATE TABLE parts (id integer) PARTITION BY LIST (id);"
            "CREATE TABLE lines PARTITION OF parts FOR VALUES IN (1)",
        ),
    ],
)
def test_what_has_a_table_s_place_without_being_one_is_named(shop: Shop, kind: str, statement: str) -> None:
    shop.target(f"DROP TABLE lines; {statement}")
    answer = shop.run("plan", "--check")
    assert answer.code == 3
    said = " ".join(answer.out.split())
    assert f"public.lines at the target is a {kind}, and rows are loaded into tables only" in said
    assert "there is no table public.lines" not in said
