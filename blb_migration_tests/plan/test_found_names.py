"""What a new project proposes about a target that is there already: how it spells the source's names."""

from __future__ import annotations

import pytest

from blb_migration.findings import Severity
from blb_migration.model import Catalog
from blb_migration.plan.build import build_plan
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.found_names import find_names
from blb_migration_tests.catalogs import catalog, table

SOURCE = catalog(
    "sqlserver",
    table("PersonPhone", "PersonID int not null", "PhoneNumber nvarchar(20)", schema="Person"),
    table("OrderLines", "OrderID int not null", "LineTotal money", schema="Sales"),
    table("Log", "LogID int not null"),
)


def target(*tables: tuple[str, str, str]) -> Catalog:
    return catalog(
        "postgres", *(table(name, *columns.split(", "), schema=schema) for schema, name, columns in tables)
    )


@pytest.mark.parametrize(
    ("tables", "style", "schemas"),
    [
        (
            [
                ("public", "person_phone", "person_id integer, phone_number text"),
                ("public", "order_lines", "order_id integer, line_total numeric"),
                ("public", "log", "log_id integer"),
            ],
            "snake",
            {"Person": "public", "Sales": "public", "dbo": "public"},
        ),
        (
            [
                ("person", "personphone", "personid integer, phonenumber text"),
                ("sales", "orderlines", "orderid integer, linetotal numeric"),
                ("public", "log", "logid integer"),
            ],
            "keep",
            {"dbo": "public"},
        ),
        (
            [
                ("Person", "PersonPhone", "PersonID integer, PhoneNumber text"),
                ("Shop", "OrderLines", "OrderID integer, LineTotal numeric"),
                ("dbo", "Log", "LogID integer"),
            ],
            "keep",
            {"Sales": "Shop"},
        ),
        ([("public", "log", "log_id integer")], "snake", {"dbo": "public"}),
        ([("public", "something_else", "id integer")], "keep", {}),
        # Both schemas have all tables: its own name counts.
        (
            [
                ("public", "OrderLines", "OrderID integer, LineTotal numeric"),
                ("Sales", "OrderLines", "OrderID integer, LineTotal numeric"),
            ],
            "keep",
            {},
        ),
    ],
)
def test_the_style_and_the_schemas_of_most_tables_are_found(
    tables: list[tuple[str, str, str]], style: str, schemas: dict[str, str]
) -> None:
    found = find_names(SOURCE, target(*tables))
    assert (found.style, found.schemas) == (style, schemas)


def find_errors(source: Catalog, at_target: Catalog) -> list[str]:
    decisions = parse_decisions("project: test\nnames: snake\n", "decisions.yaml").decisions
    found = build_plan(source, at_target, decisions).findings
    return [str(finding) for finding in found if finding.severity is Severity.ERROR]


def test_a_name_of_the_same_letters_is_proposed() -> None:
    source = catalog("sqlserver", table("Suppliers", "Id int not null", "HomePage ntext"))
    (error,) = find_errors(source, target(("public", "suppliers", "id integer, homepage text")))
    assert "no column home_page in public.suppliers, but homepage" in error
    assert error.endswith("{skip: WHY}}}}, or 'to: homepage'")


def test_a_table_of_the_same_letters_is_proposed() -> None:
    source = catalog("sqlserver", table("OrderLines", "Id int not null"))
    (error,) = find_errors(source, target(("shop", "orderlines", "id integer")))
    assert "there is no table public.order_lines at the target, but shop.orderlines" in error
    assert error.endswith("{skip: WHY}}, or 'to: shop.orderlines'")
    (error,) = find_errors(source, target(("new.shop", "orderlines", "id integer")))
    assert error.endswith("""or 'to: "new.shop"."orderlines"'""")


def test_a_source_without_tables_finds_none() -> None:
    assert find_names(catalog("sqlserver"), target(("public", "log", "id integer"))).table_count == 0
