"""The graph mirrors the plan: one asset per table, its parents upstream, names that Dagster takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dagster import AssetKey, Definitions, TableSchema
from hypothesis import given, settings
from hypothesis import strategies as st

from blb_migration.checks import CHECK_NAMES
from blb_migration.defs import asset_keys
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import SOURCE_PREFIX, build_asset_keys
from blb_migration.errors import ConfigurationError
from blb_migration.findings import Concern
from blb_migration.model import ForeignKey, Table, TableName
from blb_migration.plan.project import DEFAULT_PROJECT, Project, load_project
from blb_migration.settings.environments import Environment
from blb_migration_tests.catalogs import table
from blb_migration_tests.defs.stages import build_project, build_shop

ENVIRONMENTS: tuple[Environment, ...] = ("production", "rehearsal")


def upstream_of(definitions: Definitions, *path: str) -> set[str]:
    parents = definitions.resolve_asset_graph().get(AssetKey(list(path))).parent_keys
    return {key.to_user_string() for key in parents}


def test_foreign_keys_are_the_only_edges_between_tables_and_all_wait_for_the_target() -> None:
    definitions = build_defs(build_shop())
    for label, parents in {
        "customers": [],
        "articles": [],
        "orders": ["customers"],
        "lines": ["orders"],
    }.items():
        expected = {"target_prepared", f"sqlserver/{label}", *parents}
        assert upstream_of(definitions, label) == expected
    assert upstream_of(definitions, "target_prepared") == {"preflight"}
    assert upstream_of(definitions, "constraints_restored") == {
        "target_prepared", "articles", "customers", "orders", "lines",
    }  # fmt: skip
    assert upstream_of(definitions, "reconciliation_report") == {"constraints_restored"}


def test_a_group_of_many_tables_is_shown_in_parts_that_lead_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_keys, "MOST_IN_GROUP", 2)
    project = build_project(*(table(f"t{number}", "id int not null") for number in range(3)))
    graph = build_defs(project).resolve_asset_graph()
    named = {key.to_user_string(): graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert {label: named[label] for label in ("t0", "t1", "t2")} == {
        "t0": "dbo_01", "t1": "dbo_01", "t2": "dbo_02",
    }  # fmt: skip
    assert named["sqlserver/t2"] == "source_02"


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


def test_a_column_has_the_type_and_the_description_of_the_source_beside_the_targets_own() -> None:
    wide = table("articles", "id int not null", "price smallint", "note tinyint")
    comments = {"price": "Net, in euros.", "note": "For the customer."}
    columns = tuple(replace(column, comment=comments.get(column.name)) for column in wide.columns)
    project = build_project(replace(wide, columns=columns, comment="What is sold."))
    [target] = project.target.tables
    target = replace(
        target,
        columns=tuple(replace(c, comment="Own." if c.name == "note" else None) for c in target.columns),
    )
    project = project.with_catalogs(project.source, replace(project.target, tables=(target,)))
    graph = build_defs(project).resolve_asset_graph()
    schema = graph.get(AssetKey("articles")).metadata["dagster/column_schema"]
    shown = {column.name: (column.type, column.constraints.other[0]) for column in schema.columns}
    assert shown["price"] == ("integer", "SQL Server: smallint")
    descriptions = {column.name: column.description for column in schema.columns}
    assert descriptions == {"id": None, "price": "Net, in euros.", "note": "Own."}
    source = graph.get(AssetKey(["sqlserver", "articles"]))
    assert not source.is_materializable
    assert "What is sold." in (source.description or "")
    assert [column.type for column in source.metadata["dagster/column_schema"].columns] == [
        "int",
        "smallint",
        "tinyint",
    ]


def test_the_tables_of_a_schema_called_like_the_source_are_not_the_sources() -> None:
    project = build_project(table("a", "id int not null", schema="sqlserver"), table("a", "id int not null"))
    assert build_asset_keys(project.plan)["sqlserver.a"] == AssetKey(["sqlserver_", "a"])
    Definitions.validate_loadable(build_defs(project))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_step_is_in_the_pool_of_its_target(environment: Environment) -> None:
    definitions = build_defs(build_shop(), environment=environment)
    job = definitions.resolve_job_def("migration" if environment == "production" else "rehearsal")
    assert {node.definition.pool for node in job.graph.nodes} == {f"{environment}_target"}  # type: ignore[attr-defined]


def test_the_erps_tables_have_owners() -> None:
    project = load_project(DEFAULT_PROJECT)
    graph = build_defs(project).resolve_asset_graph()
    for key in build_asset_keys(project.plan).values():
        assert graph.get(key).owners


def test_every_check_blocks_but_a_tables_own_integrity() -> None:
    graph = build_defs(build_shop()).resolve_asset_graph()
    checks = [graph.get(key) for key in graph.asset_check_keys]
    labels = ("articles", "customers", "orders", "lines")
    assert {(check.key.asset_key.to_user_string(), check.key.name) for check in checks} == {
        *((label, name) for label in labels for name in CHECK_NAMES),
        ("constraints_restored", "integrity"),
        *(("preflight", concern.value) for concern in Concern),
        ("reconciliation_report", "may_we_cut_over"),
    }
    not_blocking = {check.key.to_user_string() for check in checks if not check.blocking}
    assert not_blocking == {f"{label}:integrity" for label in labels}


def test_a_table_named_like_a_stage_gets_a_key_of_its_own() -> None:
    project = build_project(table("preflight", "id int not null"), table("users", "id int not null"))
    keys = build_asset_keys(project.plan)
    assert keys["users"] == AssetKey("users")
    assert keys["preflight"] != AssetKey("preflight")
    assert keys["preflight"].to_user_string().startswith("preflight_")


def test_tables_of_other_schemas_carry_their_schema() -> None:
    project = build_project(table("orders", "id int not null", schema="sales"))
    assert build_asset_keys(project.plan) == {"sales.orders": AssetKey(["sales", "orders"])}


def test_a_schema_called_rehearsal_is_not_the_environment() -> None:
    project = build_project(
        table("orders", "id int not null", schema="rehearsal"), table("orders", "id int not null")
    )
    production, rehearsal = (build_asset_keys(project.plan, name) for name in ENVIRONMENTS)
    assert production["rehearsal.orders"] == AssetKey(["rehearsal_", "orders"])
    assert rehearsal["orders"] == AssetKey(["rehearsal", "orders"])
    assert not {*production.values()} & {*rehearsal.values()}


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
        source = keys[planned.label].with_prefix(SOURCE_PREFIX)
        parents = {keys[label] for label in planned.upstream} | {AssetKey("target_prepared"), source}
        assert graph.get(keys[planned.label]).parent_keys == parents
    unusable = {AssetKey(f"{name}_is_not_usable") for name in ("BLB_SOURCE_CONN", "BLB_TARGET_CONN")}
    sources = {key.with_prefix(SOURCE_PREFIX) for key in keys.values()}
    assert graph.external_asset_keys == sources | unusable
