"""200 single changes of a target that was equal: every one is found, every cell is named.

``BLB_MUTATION_SCALE=20`` runs it over a larger ERP; ``pytest -s`` shows the table.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from blb_migration.checks import CHECK_NAMES
from blb_migration.compare.run_checks import CheckResult, run_check
from blb_migration.migration import Comparing, Migration
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.names import TargetConnection
from blb_migration.sandbox.erp import create_target
from blb_migration.sandbox.zoo import create_zoo_target
from blb_migration_tests.chain import Chain
from blb_migration_tests.compare.mutations import Mutation, Mutator

MUTATIONS = {"erp": 130, "zoo": 70}
CONTENT_CHECKS = ("row_count", "key_totals", "content")
ATTEMPTS = 400  # draws that find nothing to change, per mutation, before a kind counts as impossible


class HeldTarget(TargetConnector):
    """Hands out one session again and again, so that everything happens in its open transaction."""

    def __init__(self, origin: TargetConnector, connection: TargetConnection) -> None:
        super().__init__(origin.settings)
        self._held = connection

    @contextmanager
    def connect(
        self, *, lock_timeout_seconds: float | None = None, outlives_cancel: bool = False
    ) -> Iterator[TargetConnection]:
        yield self._held


@dataclass(frozen=True)
class Found:
    """One mutation: the checks that found it; whether its cells or its row are named, and nothing else."""

    mutation: Mutation
    finders: frozenset[str]
    is_named: bool


def is_named(mutation: Mutation, content: CheckResult) -> bool:
    if content.differences is None:
        return False
    records = pq.read_table(content.differences.parquet_path).to_pylist()
    if mutation.row_kind is not None:
        return [record["kind"] for record in records] == [mutation.row_kind]
    named = {(record["key"], record["column"]) for record in records}
    if any(not key for key, _ in mutation.cells):  # a table without a key has no names
        return {column for _, column in named} == {column for _, column in mutation.cells}
    return named == set(mutation.cells)


def mutate_and_check(migration: Migration, kind: str, draw: random.Random) -> Found | None:
    """One mutation, the checks of its table, and everything back as it was."""
    with migration.target.connect() as connection, connection.transaction(force_rollback=True):
        mutator = Mutator(connection, migration.project.plan.tables, draw)
        mutation = next(filter(None, (mutator.mutate(kind) for _ in range(ATTEMPTS))), None)
        if mutation is None:
            return None
        held = replace(migration, target=HeldTarget(migration.target, connection))
        table = migration.project.plan.tables_by_label[mutation.label]
        names = ["integrity"] if mutation.check == "integrity" else CONTENT_CHECKS
        checks = {name: run_check(held, table, name) for name in names}
        finders = frozenset(name for name, check in checks.items() if not check.passed)
        named = mutation.check == "integrity" or is_named(mutation, checks["content"])
        return Found(mutation, finders, named)


def print_table(name: str, found: list[Found]) -> None:
    lines = [f"\n{name}: {len(found)} mutations"]
    lines.append(
        f"{'':28}{'made':>6}{'found':>7}{'named':>7}" + "".join(f"{check:>12}" for check in CHECK_NAMES)
    )
    for kind in dict.fromkeys(item.mutation.kind for item in found):
        own = [item for item in found if item.mutation.kind == kind]
        checks = Counter(check for item in own for check in item.finders)
        named = sum(item.is_named for item in own if item.mutation.check == "content")
        lines.append(
            f"{kind:28}{len(own):>6}{sum(bool(item.finders) for item in own):>7}{named or '':>7}"
            + "".join(f"{checks[check] or '':>12}" for check in CHECK_NAMES)
        )
    sys.stdout.write("\n".join([*lines, ""]))


@pytest.fixture(params=MUTATIONS)
def loaded(
    request: pytest.FixtureRequest, new_chain: Callable[..., Chain], tmp_path: Path
) -> tuple[str, Migration]:
    """Each sample, loaded and equal."""
    name: str = request.param
    if name == "erp":
        chain = new_chain(request.getfixturevalue("mutated_erp_source"))
        create_target(chain.target_url)
        migration = chain.migrate()
    else:
        chain = new_chain(request.getfixturevalue("mutated_zoo_source"))
        create_zoo_target(chain.target_url)
        migration = chain.migrate("project: zoo\n")
    return name, replace(migration, comparing=Comparing(differences_folder=tmp_path))


def test_every_mutation_is_found_and_every_cell_is_named(loaded: tuple[str, Migration]) -> None:
    name, migration = loaded
    with migration.source.keeping_sessions(), migration.target.keeping_sessions():  # as a run does
        for table in migration.project.plan.tables:
            for check in CHECK_NAMES:
                assert run_check(migration, table, check).passed, (table.label, check)
        found = mutate_often(migration, MUTATIONS[name])
    print_table(name, found)
    overlooked = [item.mutation for item in found if item.mutation.check not in item.finders]
    assert overlooked == []
    assert [item.mutation for item in found if not item.is_named] == []


def mutate_often(migration: Migration, count: int) -> list[Found]:
    """Make each kind of mutation in turn until there are ``count``."""
    draw = random.Random(20)
    with migration.target.connect() as connection:
        kinds = list(Mutator(connection, (), draw).kinds)
    found: list[Found] = []
    impossible: set[str] = set()
    while len(found) < count:
        for kind in kinds:
            outcome = mutate_and_check(migration, kind, draw) if kind not in impossible else None
            if outcome is None:
                impossible.add(kind)
            elif len(found) < count:
                found.append(outcome)
    return found
