"""The graph mirrors the plan: one asset per table, its parents upstream, names that Dagster takes."""

from __future__ import annotations

import pytest
from dagster import AssetKey, Definitions, TableSchema
from hypothesis import given, settings
from hypothesis import strategies as st

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import build_asset_keys
from blb_migration.errors import ConfigurationError
from blb_migration.findings import Concern
from blb_migration.model import ForeignKey, Table, TableName
from blb_migration.plan.project import Project
from blb_migration_tests.catalogs import table
from blb_migration_tests.defs.stages import build_project, build_shop


def upstream_of(definitions: Definitions, *path: str) -> set[str]:
    parents = definitions.resolve_asset_graph().get(AssetKey(list(path))).parent_keys
    return {key.to_user_string() for key in parents}


def test_foreign_keys_are_the_only_edges_between_tables() -> None:
    definitions = build_defs(build_shop())
    assert upstream_of(definitions, "customers") == {"target_prepared"}
    assert upstream_of(definitions, "articles") == {"target_prepared"}
    assert upstream_of(definitions, "orders") == {"customers"}
    assert upstream_of(definitions, "lines") == {"orders"}
    assert upstream_of(definitions, "target_prepared") == {"preflight"}
    assert upstream_of(definitions, "constraints_restored") == {"articles", "customers", "orders", "lines"}
    assert upstream_of(definitions, "reconciliation_report") == {"constraints_restored"}


def test_every_call_gives_fresh_definitions() -> None:
    project = build_shop()
    assert build_defs(project) is not build_defs(project)


def test_a_table_says_what_it_is_and_whose() -> None:
    node = build_defs(build_shop()).resolve_asset_graph().get(AssetKey("orders"))
    assert node.group_name == "sales"
    assert node.owners == ["team:sales"]
    assert node.kinds == {"sqlserver", "postgres"}
    assert "dbo.orders" in (node.description or "")
    assert "public.orders" in (node.description or "")
    assert node.metadata["dagster/table_name"] == "public.orders"
    schema = node.metadata["dagster/column_schema"]
    assert isinstance(schema, TableSchema)
    assert [(column.name, column.type) for column in schema.columns] == [
        ("id", "integer"),
        ("customer_id", "integer"),
    ]
    assert schema.columns[0].constraints.unique
    assert not schema.columns[0].constraints.nullable
    assert schema.constraints is not None
    assert "foreign key (customer_id) references public.customers (id)" in schema.constraints.other


def test_every_check_blocks() -> None:
    graph = build_defs(build_shop()).resolve_asset_graph()
    checks = [graph.get(key) for key in graph.asset_check_keys]
    labels = ("articles", "customers", "orders", "lines")
    assert {(check.key.asset_key.to_user_string(), check.key.name) for check in checks} == {
        *((label, name) for label in labels for name in ("row_count", "key_totals", "content")),
        *(("constraints_restored", f"integrity_{label}") for label in labels),
        *(("preflight", concern.value) for concern in Concern),
    }
    assert all(check.blocking for check in checks)


def test_a_table_named_like_a_stage_gets_a_key_of_its_own() -> None:
    project = build_project(table("preflight", "id int not null"), table("users", "id int not null"))
    keys = build_asset_keys(project.plan)
    assert keys["users"] == AssetKey("users")
    assert keys["preflight"] != AssetKey("preflight")
    assert keys["preflight"].to_user_string().startswith("preflight_")


def test_tables_of_other_schemas_carry_their_schema() -> None:
    project = build_project(table("orders", "id int not null", schema="sales"))
    assert build_asset_keys(project.plan) == {"sales.orders": AssetKey(["sales", "orders"])}


def test_a_name_that_dagster_forbids_keeps_its_key_whatever_else_is_there() -> None:
    odd = table("order lines", "id int not null")
    alone = build_asset_keys(build_project(odd).plan)["order lines"]
    twins = [table(name, "id int not null") for name in ("order_lines", "order-lines", "order[lines")]
    among_others = build_asset_keys(build_project(odd, *twins).plan)
    assert among_others["order lines"] == alone
    assert among_others["order_lines"] == AssetKey("order_lines")
    assert len(set(among_others.values())) == 4


def test_an_owner_that_dagster_does_not_take_is_named() -> None:
    decisions = "groups: {people: [users]}\nowners: {people: [anna]}\n"
    with pytest.raises(ConfigurationError, match=r"owners\.people.*the owner 'anna'"):
        build_defs(build_project(table("users", "id int not null"), decisions=decisions))


# Whatever SQL Server takes between brackets, in few letters, so that names collide.
names = st.text(alphabet="aA_ .'\"[]-/ä1", min_size=1, max_size=4)
schemas = st.sampled_from(["dbo", "a b", "a_b", "preflight"])


@st.composite
def odd_catalogs(draw: st.DrawFn) -> tuple[Table, ...]:
    table_names = draw(st.lists(st.builds(TableName, schemas, names), min_size=1, max_size=8, unique_by=str))
    tables = []
    for position, name in enumerate(table_names):
        parents = draw(st.sets(st.sampled_from(table_names[:position]))) if position else set()
        plain = table("t", "id int not null", "parent_id int")
        keys = tuple(
            ForeignKey(f"fk{number}", ("parent_id",), parent, ("id",))
            for number, parent in enumerate(sorted(parents))
        )
        tables.append(Table(name, plain.columns, plain.primary_key, foreign_keys=keys))
    return tuple(tables)


def odd_project(tables: tuple[Table, ...]) -> Project:
    bare = build_project(*(Table(item.name, item.columns, item.primary_key) for item in tables))
    return bare.with_catalogs(
        type(bare.source)("sqlserver", "db", "16", None, tuple(sorted(tables, key=lambda item: item.name))),
        bare.target,
    )


@settings(deadline=None, max_examples=30)
@given(odd_catalogs())
def test_any_names_give_valid_definitions_that_mirror_the_plan(tables: tuple[Table, ...]) -> None:
    project = odd_project(tables)
    definitions = build_defs(project)
    Definitions.validate_loadable(definitions)
    plan = project.plan
    keys = build_asset_keys(plan)
    assert len({key.to_python_identifier().lower() for key in keys.values()}) == len(plan.tables)
    graph = definitions.resolve_asset_graph()
    for planned in plan.tables:
        parents = {keys[label] for label in planned.upstream} or {AssetKey("target_prepared")}
        assert graph.get(keys[planned.label]).parent_keys == parents
