"""The order of the tables: foreign-key edges, cycles collapsed by leaving out as few as it takes.

An edge left out here is left out of the graph only. The foreign key itself is dropped before the
load and proven when it comes back, like every other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from blb_migration.model import TableName


@dataclass(frozen=True)
class Edge:
    """``child`` refers to ``parent``.

    ``nullable`` says that every row may do without the parent; ``at_target`` that the target
    enforces it, so that the target's order depends on it.
    """

    child: TableName
    parent: TableName
    nullable: bool
    at_target: bool

    @property
    def cost_of_leaving_out(self) -> tuple[bool, bool, TableName, TableName]:
        """Smaller is better to leave out: first edges the target does not enforce, then nullable ones."""
        return self.at_target, not self.nullable, self.child, self.parent


@dataclass(frozen=True)
class LoadOrder:
    """``upstream`` has every table as a key, its parents sorted; it has no cycle."""

    upstream: Mapping[TableName, tuple[TableName, ...]]
    levels: Mapping[TableName, int]
    left_out: tuple[Edge, ...]

    @property
    def tables(self) -> tuple[TableName, ...]:
        """Parents before children; tables of one level by name."""
        return tuple(sorted(self.upstream, key=lambda table: (self.levels[table], table)))


def build_load_order(tables: Iterable[TableName], edges: Iterable[Edge]) -> LoadOrder:
    """Order ``tables`` so that parents come first.

    Self references and edges to tables that are not in ``tables`` do not order anything. Several
    edges between the same two tables count as one that is only as easy to leave out as the hardest
    of them. Deterministic: the same tables and edges in any order give the same result.
    """
    known_names = set(tables)
    names = sorted(known_names)
    strongest: dict[tuple[TableName, TableName], Edge] = {}
    for edge in edges:
        if edge.child == edge.parent or not {edge.child, edge.parent} <= known_names:
            continue
        known = strongest.get((edge.child, edge.parent))
        strongest[edge.child, edge.parent] = Edge(
            edge.child,
            edge.parent,
            nullable=edge.nullable and (known is None or known.nullable),
            at_target=edge.at_target or (known is not None and known.at_target),
        )
    left_out: list[Edge] = []
    while (cycle := _find_cycle(names, strongest)) is not None:
        weakest = min((strongest[pair] for pair in cycle), key=lambda edge: edge.cost_of_leaving_out)
        del strongest[weakest.child, weakest.parent]
        left_out.append(weakest)

    parents: dict[TableName, list[TableName]] = {name: [] for name in names}
    for child, parent in sorted(strongest):
        parents[child].append(parent)
    upstream = {name: tuple(parents[name]) for name in names}
    levels: dict[TableName, int] = {}
    for name in TopologicalSorter(upstream).static_order():
        levels[name] = 1 + max((levels[parent] for parent in upstream[name]), default=-1)
    return LoadOrder(upstream, levels, tuple(left_out))


def _find_cycle(
    names: list[TableName], edges: Mapping[tuple[TableName, TableName], Edge]
) -> list[tuple[TableName, TableName]] | None:
    """Find the (child, parent) pairs of one cycle, or None."""
    sorter: TopologicalSorter[TableName] = TopologicalSorter(dict.fromkeys(names, ()))
    for child, parent in sorted(edges):
        sorter.add(child, parent)
    try:
        sorter.prepare()
    except CycleError as error:
        nodes: list[TableName] = error.args[1]
        # graphlib names a cycle as predecessors first: each node is a parent of the next one.
        return [(child, parent) for parent, child in pairwise(nodes)]
    return None
