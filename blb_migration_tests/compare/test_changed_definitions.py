"""A changed definition is named: which thing of which table, from what, to what, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from blb_migration.compare.changed_definitions import compare_definitions
from blb_migration.model import TableName
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.table_definitions import read_table_definitions
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url

TABLE = """
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE orders (
    id integer PRIMARY KEY, parent_id integer CONSTRAINT of_parent REFERENCES parent,
    total numeric(18,2) NOT NULL, note text, CONSTRAINT positive CHECK (total > 0));
CREATE INDEX "by Total" ON orders (total);
"""
CHANGES = [
    ("ALTER TABLE orders ALTER total TYPE numeric(18,4)",
     {"definition of column total of public.orders, type": ("numeric(18,2)", "numeric(18,4)")}),
    ("ALTER TABLE orders ALTER total DROP NOT NULL",
     {"definition of column total of public.orders, NOT NULL": ("yes", "no"),
      "definition of constraint orders_total_not_null of public.orders": ("NOT NULL total", "gone")}),
    ("ALTER TABLE orders ALTER note SET DEFAULT 'x'",
     {"definition of column note of public.orders, default": ("none", "'x'::text")}),
    ('DROP INDEX "by Total"',
     {'definition of index "by Total" of public.orders':
      ('CREATE INDEX "by Total" ON public.orders USING btree (total)', "gone")}),
    ("ALTER TABLE orders DROP CONSTRAINT positive",
     {"definition of constraint positive of public.orders": ("CHECK ((total > (0)::numeric))", "gone")}),
    ("ALTER TABLE orders ADD more integer",
     {"definition of column more of public.orders": ("not there", "integer")}),
    ("ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
     {"definition of table public.orders, row security": ("no", "yes")}),
]  # fmt: skip


@contextmanager
def created(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    name = "changed_definitions"
    url = embedded_postgres.create_database(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    yield url
    embedded_postgres.drop_database(name)


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=[change for change, _ in CHANGES])
def test_what_changed_is_named_and_nothing_else(
    embedded_postgres: EmbeddedPostgres, change: str, expected: dict[str, tuple[str, str]]
) -> None:
    table = TableName("public", "orders")
    with created(embedded_postgres) as url:
        with TargetConnector(parse_target_url(url)).connect() as connection:
            before = read_table_definitions(connection, [table])[table]
            connection.execute(change.encode())
            after = read_table_definitions(connection, [table])[table]
            version = connection.info.server_version
        found = compare_definitions(before, after)
    if version < 180000:  # before, NOT NULL was no constraint of its own
        expected = {name: both for name, both in expected.items() if "not_null" not in name}
    assert {each.name: (each.source_value, each.target_value) for each in found} == expected
    assert not any(each.match for each in found)


def test_equal_definitions_are_one_fact() -> None:
    facts = ['["table", "public.orders", "r"]']
    [only] = compare_definitions(facts, facts)
    assert (only.match, only.source_value) == (True, "1 facts")
