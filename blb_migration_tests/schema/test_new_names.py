"""Names at the target: short enough, never two of one, the same at every run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blb_migration.findings import Severity
from blb_migration.model import Column, ColumnType, Index, IndexColumn, Table, TableName, UniqueKey
from blb_migration.plan.build import build_plan
from blb_migration.plan.target_names import MAX_NAME_BYTES, NameStyle, build_target_name
from blb_migration.schema.ddl import build_statements
from blb_migration.schema.design import build_design
from blb_migration_tests.schema.designs import decisions, source_catalog

STYLES: list[NameStyle] = ["keep", "lower", "snake"]
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)
# Few letters, so that names meet once they are folded.
LIKE_NAMES = st.text("aAbB_ ", min_size=1, max_size=4)


def test_snake_case() -> None:
    cases = {
        "OrderLines": "order_lines",
        "HTTPServer2Port": "http_server2_port",
        "unit price (€)": "unit_price",
        "already_there": "already_there",
        "Größe": "größe",
        "()": "()",
    }
    assert {name: build_target_name(name, "snake") for name in cases} == cases


def test_a_long_name_keeps_its_beginning_and_stays_apart_from_others() -> None:
    first, second = (build_target_name("é" * 100 + end) for end in ("x", "y"))
    assert first != second
    assert first.startswith("é" * 27 + "_")


@given(NAMES, st.sampled_from(STYLES))
def test_every_name_fits_and_stays_when_built_again(name: str, style: NameStyle) -> None:
    built = build_target_name(name, style)
    assert 1 <= len(built.encode()) <= MAX_NAME_BYTES
    assert build_target_name(name, style) == built
    assert build_target_name(built) == built


@given(st.lists(st.one_of(LIKE_NAMES, NAMES), unique=True, max_size=12), st.sampled_from(STYLES))
def test_every_column_is_created_or_found_to_collide(names: list[str], style: NameStyle) -> None:
    columns = tuple(Column(name, ColumnType("int"), True) for name in names)
    design = build_design(
        source_catalog([Table(TableName("dbo", "t"), columns)]), decisions(f"names: {style}\n")
    )
    created = [column.name for column in design.catalog.tables[0].columns]
    collisions = [finding for finding in design.findings if finding.code == "target_names_collide"]
    assert len(created) == len(set(created))
    assert len(created) + len(collisions) == len(names)
    if style == "keep":
        assert not collisions


@given(
    st.lists(st.one_of(LIKE_NAMES, NAMES), unique=True, min_size=1, max_size=8),
    st.lists(LIKE_NAMES, unique=True, max_size=4),
    st.sampled_from(STYLES),
)
def test_tables_keys_and_indexes_share_no_name(
    names: list[str], index_names: list[str], style: NameStyle
) -> None:
    columns = (Column("id", ColumnType("int"), nullable=False), Column("x", ColumnType("int"), True))
    tables = [
        Table(
            TableName("dbo", name),
            columns,
            primary_key=UniqueKey(index_names[0] if index_names else "pk", ("id",)),
            indexes=tuple(Index(index, (IndexColumn("x"),)) for index in index_names[1:]),
        )
        for name in names
    ]
    source = source_catalog(tables)
    decided = decisions(f"names: {style}\n")
    design = build_design(source, decided)
    relations = [table.name.name for table in design.catalog]
    relations += [table.primary_key.name for table in design.catalog if table.primary_key]
    relations += [index.name for table in design.catalog for index in table.indexes]
    assert len(relations) == len(set(relations))
    assert build_statements(build_design(source, decided)) == build_statements(design)

    plan = build_plan(source, design.catalog, decided)
    collided = sum(finding.code == "target_names_collide" for finding in design.findings)
    assert len(plan.tables) == len(names) - collided
    if not collided:
        assert not [finding for finding in plan.findings if finding.severity is Severity.ERROR]
