"""Parents come before children, whatever the graph; as little as possible is left out of a cycle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blb_migration.model import TableName
from blb_migration.plan.order import Edge, build_load_order

A, B, C = (TableName("dbo", name) for name in "abc")

tables = st.lists(st.integers(0, 12), min_size=1, unique=True).map(
    lambda numbers: [TableName("dbo", f"t{number}") for number in numbers]
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[TableName], list[Edge]]:
    names = draw(tables)
    edge = st.builds(Edge, st.sampled_from(names), st.sampled_from(names), st.booleans(), st.booleans())
    return names, draw(st.lists(edge, max_size=40))


@given(graphs())
def test_every_table_comes_after_its_parents(graph: tuple[list[TableName], list[Edge]]) -> None:
    names, edges = graph
    order = build_load_order(names, edges)
    assert sorted(order.tables) == sorted(names)
    position = {table: index for index, table in enumerate(order.tables)}
    for table, parents in order.upstream.items():
        assert all(position[parent] < position[table] for parent in parents)
        assert order.levels[table] == 1 + max((order.levels[p] for p in parents), default=-1)


@given(graphs())
def test_an_edge_is_in_the_graph_or_named_as_left_out(graph: tuple[list[TableName], list[Edge]]) -> None:
    names, edges = graph
    order = build_load_order(names, edges)
    kept = {(child, parent) for child, parents in order.upstream.items() for parent in parents}
    left_out = {(edge.child, edge.parent) for edge in order.left_out}
    wanted = {(edge.child, edge.parent) for edge in edges if edge.child != edge.parent}
    assert kept | left_out == wanted
    assert not kept & left_out


@given(graphs())
def test_what_is_left_out_would_close_a_cycle(graph: tuple[list[TableName], list[Edge]]) -> None:
    names, edges = graph
    order = build_load_order(names, edges)

    def is_above(table: TableName, wanted: TableName) -> bool:
        pairs = dict(order.upstream)
        for edge in order.left_out:
            pairs[edge.child] = (*pairs[edge.child], edge.parent)
        seen, waiting = set(), [table]
        while waiting:
            current = waiting.pop()
            if current == wanted:
                return True
            if current not in seen:
                seen.add(current)
                waiting.extend(pairs[current])
        return False

    assert all(is_above(edge.parent, edge.child) for edge in order.left_out)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_catalog_was_listed(
    graph: tuple[list[TableName], list[Edge]], random: object
) -> None:
    names, edges = graph
    shuffled_names, shuffled_edges = list(names), list(edges)
    random.shuffle(shuffled_names)  # type: ignore[attr-defined]
    random.shuffle(shuffled_edges)  # type: ignore[attr-defined]
    assert build_load_order(shuffled_names, shuffled_edges) == build_load_order(names, edges)


def test_a_cycle_gives_up_the_edge_that_the_target_does_not_have() -> None:
    edges = [Edge(A, B, nullable=True, at_target=True), Edge(B, A, nullable=True, at_target=False)]
    order = build_load_order([A, B], edges)
    assert [(edge.child, edge.parent) for edge in order.left_out] == [(B, A)]
    assert order.tables == (B, A)


def test_a_cycle_gives_up_its_nullable_edge() -> None:
    edges = [
        Edge(A, B, nullable=False, at_target=True),
        Edge(B, C, nullable=True, at_target=True),
        Edge(C, A, nullable=False, at_target=True),
    ]
    order = build_load_order([A, B, C], edges)
    assert [(edge.child, edge.parent) for edge in order.left_out] == [(B, C)]


def test_two_keys_between_the_same_tables_are_as_hard_to_leave_out_as_the_harder() -> None:
    edges = [
        Edge(A, B, nullable=True, at_target=True),
        Edge(A, B, nullable=False, at_target=True),
        Edge(B, A, nullable=True, at_target=True),
    ]
    order = build_load_order([A, B], edges)
    assert [(edge.child, edge.parent) for edge in order.left_out] == [(B, A)]


def test_a_self_reference_orders_nothing() -> None:
    order = build_load_order([A], [Edge(A, A, nullable=False, at_target=True)])
    assert order.upstream == {A: ()}
    assert order.left_out == ()
