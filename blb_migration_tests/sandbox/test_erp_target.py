"""The sample fits the target exactly: loaded into a real PostgreSQL with every constraint on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pyarrow.compute as pc
import pytest
from psycopg import sql

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.erp import TARGET_ALEMBIC_VERSION, ErpSample, create_target
from blb_migration.sandbox.erp.erp_schema import read_schema
from blb_migration_tests.sandbox.erp_values import to_python

FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY conname"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture
def target(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    url = postgres.create_database(request.node.name)
    create_target(url)
    with psycopg.connect(url) as connection:
        yield connection
    postgres.drop_database(request.node.name)


def test_the_target_has_every_table_key_index_and_sequence(target: psycopg.Connection) -> None:
    kinds = target.execute(
        "SELECT contype, count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND contype <> 'n' GROUP BY contype"
    ).fetchall()
    assert dict(kinds) == {"p": 43, "f": 74, "u": 3, "c": 1}
    owned = target.execute(
        "SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relname LIKE '%\\_id\\_seq'"
    ).fetchone()
    assert owned == (42,)
    assert target.execute("SELECT pg_get_serial_sequence('users', 'id')").fetchone() == (
        "public.users_id_seq",
    )


def test_foreign_keys_carry_their_names_and_actions(target: psycopg.Connection) -> None:
    definitions = {name: text for _, name, text in target.execute(FOREIGN_KEYS).fetchall()}
    assert definitions["sales_orders_quote_id_fkey"].endswith("REFERENCES quotes(id) ON DELETE SET NULL")
    assert "REFERENCES machines(id)" in definitions["production_order_operations_resource_id_fkey"]


def test_alembic_version_is_the_targets_own(target: psycopg.Connection) -> None:
    at_target = target.execute("SELECT version_num FROM alembic_version").fetchall()
    at_source = next(rows for table, rows in ErpSample().tables() if table.name.name == "alembic_version")
    assert at_target == [(TARGET_ALEMBIC_VERSION,)]
    assert at_source["version_num"].to_pylist() != [TARGET_ALEMBIC_VERSION]


def test_every_row_loads_and_every_constraint_holds(target: psycopg.Connection) -> None:
    foreign_keys = drop_foreign_keys(target)
    loaded = load_sample(target)
    for table, name, definition in foreign_keys:
        target.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                sql.Identifier(table), sql.Identifier(name), sql.SQL(definition)
            )
        )
    assert len(loaded) == 42
    assert sum(row_count > 0 for row_count in loaded.values()) >= 40
    different = target.execute(
        "SELECT count(*) FROM inventory WHERE available_quantity <> on_hand_quantity - allocated_quantity"
    ).fetchone()
    assert different == (0,)


def drop_foreign_keys(target: psycopg.Connection) -> list[tuple[str, str, str]]:
    """Table, name and definition of each, so that rows can come in any order."""
    foreign_keys = target.execute(FOREIGN_KEYS).fetchall()
    for table, name, _ in foreign_keys:
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        target.execute(drop.format(sql.Identifier(table), sql.Identifier(name)))
    return foreign_keys


def load_sample(target: psycopg.Connection) -> dict[str, int]:
    """COPY the columns both sides have; asserts that no SUM of a number changed on the way."""
    facts, loaded = read_schema("target"), {}
    for table, rows in ErpSample().tables():
        name = table.name.name
        if name not in facts or name == "alembic_version":
            continue
        written = [c["name"] for c in facts[name]["columns"] if "computed" not in c]
        values = [to_python(rows[column], table.columns_by_name[column].type) for column in written]
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, written))
        )
        with target.cursor() as cursor, cursor.copy(copy) as stream:
            for row in zip(*values, strict=True):
                stream.write_row(row)
        for column in written:
            if table.columns_by_name[column].type.name in ("decimal", "numeric"):
                total = target.execute(
                    sql.SQL("SELECT sum({}) FROM {}").format(sql.Identifier(column), sql.Identifier(name))
                ).fetchone()
                expected: Decimal | None = pc.sum(rows[column]).as_py()
                assert total == (expected,), f"{name}.{column} was rounded"
        loaded[name] = len(rows)
    return loaded


def test_the_smoke_test_of_the_application_makes_sense(target: psycopg.Connection) -> None:
    """After the cutover: an active bom and routing for a good, with materials to check for."""
    drop_foreign_keys(target)
    load_sample(target)
    makeable = target.execute(
        """
        SELECT p.id, count(DISTINCT o.id), count(DISTINCT l.id) FROM products p
        JOIN boms b ON b.product_id = p.id AND b.active JOIN bom_lines l ON l.bom_id = b.id
        JOIN routings r ON r.product_id = p.id AND r.is_active
        JOIN routing_operations o ON o.routing_id = r.id
        GROUP BY p.id"""
    ).fetchall()
    goods = target.execute("SELECT count(*) FROM products WHERE has_bom").fetchone()
    assert goods == (len(makeable),)
    assert all(operations >= 2 and lines >= 3 for _, operations, lines in makeable)
    in_stock = target.execute(
        """
        SELECT count(*) FROM (
            SELECT l.bom_id FROM bom_lines l JOIN boms b ON b.id = l.bom_id AND b.active
            LEFT JOIN (SELECT product_id, sum(available_quantity) AS available
                       FROM inventory GROUP BY product_id) AS stock ON stock.product_id = l.component_id
            GROUP BY l.bom_id
            HAVING bool_and(available >= l.quantity * (1 + l.scrap_factor / 100))) AS bom"""
    ).fetchone()
    assert in_stock is not None and 0 < in_stock[0] <= len(makeable)
    newest = target.execute(
        "SELECT max(split_part(code, '-', 3)::int) FROM production_orders WHERE code LIKE 'PO-2025-%'"
    ).fetchone()
    assert newest is not None and newest[0] > 0
