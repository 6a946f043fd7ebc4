"""A small shop on both sides, and the command run on it as a person would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from blb_migration.cli.main import main
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.catalogs import table

USER, PASSWORD = "shopkeeper", "hunter2 {;}@/"
DECISIONS = """\
project: shop
tables:
  notes: {skip: Notes stay behind.}
  orders:
    key_totals:
      - sum: total
      - count: paid
        where: status = 'paid'
groups: {sales: [customers, orders, lines]}
"""
TARGET_TABLES = """
CREATE TABLE articles (id integer PRIMARY KEY, name text);
CREATE TABLE customers (id integer PRIMARY KEY, name text);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers,
    total numeric(18,2), status text);
CREATE TABLE lines (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES orders);
"""


@dataclass(frozen=True)
class Servers:
    """Both servers, for as many databases as the tests want."""

    engine: TsqlEngine
    sql_server: SqlServerEmulator
    postgres: EmbeddedPostgres


@dataclass(frozen=True)
class Answer:
    """What the command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shop:
    """One database on each side and a project folder."""

    servers: Servers
    source_url: str
    target_url: str
    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def report_path(self) -> Path:
        return self.folder / "report.json"

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.report_path.read_text(encoding="utf-8"))
        return report

    def run(self, *arguments: str, urls: Sequence[str] | None = None) -> Answer:
        """Run the command on this shop; ``urls`` replaces the two connection options."""
        given = ["--source-conn", self.source_url, "--target-conn", self.target_url] if urls is None else urls
        self.capture.readouterr()
        code = main([*given, "--project", str(self.folder), *arguments])
        captured = self.capture.readouterr()
        assert PASSWORD not in captured.out + captured.err
        assert "Traceback" not in captured.out + captured.err
        return Answer(code, captured.out, captured.err)

    def migrate(self, *arguments: str) -> Answer:
        """Run the migration, with the report in ``report``."""
        return self.run("--output", str(self.report_path), *arguments)

    def target(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL on the target, as the application or a person would."""
        with psycopg.connect(self.target_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


def fill_source(engine: TsqlEngine, name: str) -> None:
    """Create the shop's source database: two customers, three orders, four lines, two articles."""
    database = engine.create_database(name)
    database.create_table(table("articles", "id int not null", "name nvarchar(40)"))
    database.create_table(table("customers", "id int not null", "name nvarchar(40)"))
    database.create_table(
        table(
            "orders",
            "id int not null",
            "customer_id int not null",
            "total decimal(18,2)",
            "status varchar(20)",
            references={"customer_id": "customers"},
        )
    )
    database.create_table(
        table("lines", "id int not null", "order_id int not null", references={"order_id": "orders"})
    )
    database.create_table(table("notes", "id int not null"))
    database.load("dbo.articles", pa.table({"id": int32s(1, 2), "name": ["Dübel", "Gehäuse"]}))
    database.load("dbo.customers", pa.table({"id": int32s(1, 2), "name": ["Anna", "Böhm"]}))
    totals = pa.array(["10.50", "20.25", "0.10"]).cast(pa.decimal128(18, 2))
    orders = {"id": int32s(1, 2, 5), "customer_id": int32s(1, 1, 2), "total": totals}
    database.load("dbo.orders", pa.table(orders | {"status": ["paid", "open", "paid"]}))
    database.load("dbo.lines", pa.table({"id": int32s(1, 2, 3, 4), "order_id": int32s(1, 1, 2, 5)}))


def int32s(*values: int) -> pa.Array[Any]:
    """Describe an int column."""
    return pa.array(values, pa.int32())
