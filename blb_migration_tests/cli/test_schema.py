"""`blb-migrate init`, `schema` and `--create-schema`, run as a person runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from blb_migration.cli.main import main
from blb_migration.defs.assemble import build_defs
from blb_migration.model import Column, ColumnType, ForeignKey, Identity, Table, TableName, UniqueKey
from blb_migration.plan.project import load_project
from blb_migration_tests.chain import Chain

CUSTOMERS = Table(
    TableName("dbo", "Customers"),
    (
        Column("Id", ColumnType("int"), nullable=False, identity=Identity(1, 1, last_value=7)),
        Column("FullName", ColumnType("nvarchar", 40), nullable=False, collation="Latin1_General_CI_AS"),
    ),
    primary_key=UniqueKey("PK_Customers", ("Id",)),
    comment="Who buys",
)
ORDERS = Table(
    TableName("Sales", "Order Lines"),
    (
        Column("Id", ColumnType("bigint"), nullable=False),
        Column("CustomerId", ColumnType("int"), nullable=True),
    ),
    primary_key=UniqueKey("PK_Lines", ("Id",)),
    foreign_keys=(ForeignKey("FK_Lines", ("CustomerId",), CUSTOMERS.name, ("Id",)),),
)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shop:
    chain: Chain
    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str, target: bool = True) -> Answer:
        urls = ["--source-conn", self.chain.source_url]
        urls += ["--target-conn", self.chain.target_url] if target else []
        code = main([*urls, *arguments])
        captured = self.capture.readouterr()
        return Answer(code, captured.out, captured.err)

    def run_project(self, *arguments: str) -> Answer:
        return self.run("--project", str(self.folder), *arguments)

    def decide(self, line: str) -> None:
        path = self.folder / "decisions.yaml"
        path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")

    @property
    def tables(self) -> list[str]:
        rows = self.chain.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'blb_migration') ORDER BY 1"
        )
        return [name for (name,) in rows]


@pytest.fixture
def shop(
    new_chain: Callable[..., Chain],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    for name in ("BLB_SOURCE_CONN", "BLB_TARGET_CONN", "BLB_PROJECT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    chain = new_chain()
    chain.database.create_table(CUSTOMERS)
    chain.database.create_table(ORDERS)
    names = {"Id": pa.array([1, 4], pa.int32()), "FullName": ["Ärmel", "Böhm"]}
    chain.database.load(CUSTOMERS.name, pa.table(names))
    lines = {"Id": pa.array([10, 11], pa.int64()), "CustomerId": pa.array([4, None], pa.int32())}
    chain.database.load(ORDERS.name, pa.table(lines))
    return Shop(chain, tmp_path / "shop", capsys)


TABLES = ["Sales.Order Lines", "public.Customers"]


class TestInit:
    def test_the_project_is_ready_for_dagster_without_a_target(self, shop: Shop) -> None:
        answer = shop.run("init", str(shop.folder), target=False)
        assert (answer.code, answer.err) == (0, "")
        project = load_project(shop.folder)
        assert list(project.plan.tables_by_label) == ["Customers", "Sales.Order Lines"]
        build_defs(project).get_repository_def().load_all_definitions()

    def test_every_open_question_is_a_comment(self, shop: Shop) -> None:
        shop.chain.execute('CREATE TABLE "Customers" ("Id" integer PRIMARY KEY)')
        assert shop.run("init", str(shop.folder)).code == 0
        text = (shop.folder / "decisions.yaml").read_text(encoding="utf-8")
        comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
        assert "no column FullName in public.Customers" in comments
        assert "there is no table Sales.Order Lines" in comments
        assert not (shop.folder / "schema.sql").exists()

    def test_a_folder_with_decisions_is_left_alone(self, shop: Shop) -> None:
        assert shop.run("init", str(shop.folder)).code == 0
        shop.decide("# mine\n")
        answer = shop.run("init", str(shop.folder))
        assert answer.code == 2
        assert "there is a project already" in answer.err
        assert (shop.folder / "decisions.yaml").read_text(encoding="utf-8").endswith("# mine\n")


class TestSchema:
    @pytest.fixture(autouse=True)
    def project(self, shop: Shop) -> None:
        assert shop.run("init", str(shop.folder)).code == 0

    def test_what_is_printed_is_a_script_that_runs(self, shop: Shop) -> None:
        answer = shop.run_project("schema")
        assert answer.code == 0
        assert answer.out == (shop.folder / "schema.sql").read_text(encoding="utf-8")
        assert shop.tables == []
        with psycopg.connect(shop.chain.target_url, autocommit=True) as connection:
            connection.execute(answer.out.encode())
        assert shop.tables == TABLES

    def test_applying_it_twice_changes_nothing(self, shop: Shop) -> None:
        assert shop.run_project("schema", "--apply").code == 0
        shop.chain.execute('INSERT INTO "Customers" VALUES (1, %s)', "kept")
        answer = shop.run_project("schema", "--apply")
        assert answer.code == 3
        assert "2 of 2 tables exist already" in answer.err
        assert shop.chain.execute('SELECT "FullName" FROM "Customers"') == [("kept",)]

    def test_a_statement_that_fails_leaves_nothing_behind(self, shop: Shop) -> None:
        shop.chain.execute('CREATE VIEW "PK_Customers" AS SELECT 1 AS one')
        answer = shop.run_project("schema", "--apply")
        assert answer.code == 5
        assert "PK_Customers" in answer.err
        assert shop.tables == []

    def test_what_needs_a_decision_refuses(self, shop: Shop) -> None:
        shop.decide("case_insensitive: icu\n")
        answer = shop.run_project("schema", "--apply")
        assert answer.code == 3
        assert "the target server was built without ICU" in answer.err
        assert (shop.tables, shop.run_project("schema").code) == ([], 3)

    def test_folded_names_are_found_again_by_the_plan(self, shop: Shop) -> None:
        shop.decide("names: snake\n")
        assert shop.run_project("schema", "--apply").code == 0
        assert shop.tables == ["public.customers", "sales.order_lines"]
        assert shop.run_project().code == 0
        assert shop.chain.execute("SELECT id, full_name FROM customers") == [(1, "Ärmel"), (4, "Böhm")]


class TestCreateSchema:
    @pytest.fixture(autouse=True)
    def project(self, shop: Shop) -> None:
        assert shop.run("init", str(shop.folder)).code == 0

    def test_a_migration_creates_what_it_needs_once(self, shop: Shop) -> None:
        first = shop.run_project("--create-schema")
        assert (first.code, first.err) == (0, "")
        assert "Created 2 tables" in first.out
        second = shop.run_project("--create-schema")
        assert second.code == 0
        assert "Created" not in second.out
        assert shop.chain.execute(
            'INSERT INTO "Customers" ("FullName") VALUES (%s) RETURNING "Id"', "new"
        ) == [(8,)]
        [key] = shop.chain.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'FK_Lines'")
        assert key == (True,)

    def test_half_a_schema_is_refused(self, shop: Shop) -> None:
        shop.chain.execute('CREATE TABLE "Customers" ("Id" integer PRIMARY KEY)')
        report_path = shop.folder / "report.json"
        answer = shop.run_project("--create-schema", "--output", str(report_path))
        assert answer.code == 3
        assert "1 of 2 tables exist already: public.Customers" in answer.err
        [error] = json.loads(report_path.read_text(encoding="utf-8"))["errors"]
        assert "1 of 2 tables exist already" in error

    def test_a_dry_run_creates_nothing(self, shop: Shop) -> None:
        answer = shop.run_project("--create-schema", "--dry-run")
        assert answer.code == 2
        assert shop.tables == []
