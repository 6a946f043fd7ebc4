"""Which table goes first: ranked by the longest way to the end of the graph."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from dagster import AssetKey, DagsterInstance
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.executor import IN_PROCESS, ExecutorChoice
from blb_migration.defs.priorities import PRIORITY_TAG, measure_ways, rank_tables
from blb_migration.defs.resource import MigrationResource
from blb_migration.plan.project import Project
from blb_migration_tests.catalogs import table
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.stages import Stages, build_project, connect_to_nothing

IDS = "id int not null"


def build_sized(*sized: tuple[str, int, str | None]) -> Project:
    """Tables of so many rows, each with its parent's name or None."""
    return build_project(
        *(
            replace(
                table(name, IDS, "parent_id int", references={"parent_id": parent} if parent else None),
                row_estimate=rows,
            )
            for name, rows, parent in sized
        )
    )


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Sizes, and parents that come earlier in the alphabet."""
    labels = [f"t{number:02}" for number in range(draw(st.integers(1, 9)))]
    sizes = {label: draw(st.floats(1, 1e12)) for label in labels}
    parents = {
        label: tuple(draw(st.lists(st.sampled_from(labels[:place]), max_size=4)) if place else ())
        for place, label in enumerate(labels)
    }
    return sizes, parents


def list_chains(label: str, parents: dict[str, tuple[str, ...]]) -> list[list[str]]:
    """Every chain of tables from ``label`` down to one that nothing waits for."""
    children = [child for child, those in parents.items() if label in those]
    return [[label, *chain] for child in children for chain in list_chains(child, parents)] or [[label]]


@given(graphs())
def test_a_way_is_the_longest_of_all_chains(
    graph: tuple[dict[str, float], dict[str, tuple[str, ...]]],
) -> None:
    sizes, parents = graph
    ways = measure_ways(sizes, parents)
    assert ways.keys() == sizes.keys()
    for label, way in ways.items():
        longest = max(sum(reversed([sizes[each] for each in chain])) for chain in list_chains(label, parents))
        assert abs(way - longest) <= 1e-9 * longest
        assert all(ways[parent] > way for parent in parents[label])


def test_the_longest_table_goes_first() -> None:
    ranks = rank_tables(build_sized(("small", 10, None), ("large", 1000, None), ("middle", 100, None)).plan)
    assert ranks == {"small": 0, "middle": 1, "large": 2}


def test_a_small_parent_of_a_long_table_goes_before_a_lonely_long_one() -> None:
    ranks = rank_tables(
        build_sized(("lonely", 1000, None), ("parent", 1, None), ("child", 1000, "parent")).plan
    )
    assert ranks["parent"] > ranks["lonely"] == ranks["child"]


def test_an_empty_or_unknown_table_counts_as_one_row() -> None:
    project = build_project(table("unknown", IDS), replace(table("empty", IDS), row_estimate=0))
    assert set(rank_tables(project.plan).values()) == {0}


def test_a_tables_checks_do_not_wait_longer_than_it() -> None:
    graph = build_defs(build_sized(("large", 1000, None), ("small", 1, None)))
    for job in ("migration", "reconcile"):
        nodes = {node.name: node.tags for node in graph.resolve_job_def(job).nodes}
        assert nodes["large__checks"][PRIORITY_TAG] == "1"
        assert nodes["small__checks"][PRIORITY_TAG] == "0"


def test_dagster_starts_the_tables_in_that_order(stages: Stages, instance: DagsterInstance) -> None:
    sized = [(f"table_{rows:03}", rows, None) for rows in (30, 7, 400, 12, 100)]
    project = build_sized(*sized)
    resource = MigrationResource(project, connect_to_nothing)
    choice = ExecutorChoice(IN_PROCESS, 1, "")
    definitions = build_defs(project, resource=resource, executor=choice)
    result = definitions.resolve_job_def("migration").execute_in_process(run_config=QUIET, instance=instance)
    assert result.asset_materializations_for_node("table_400")[0].asset_key == AssetKey("table_400")
    assert all(first > second for first, second in pairwise(stages.loads))
