"""The check ``content``: every cell of every row, by digests of what was read and of what stands there.

What was read was digested by the load, in the form in which it was to arrive; that digest is in the
ledger. What stands in the target is read back and digested now. Only where they differ are both sides
read again, to name rows and cells. In another run than the load's, where the ledger has no digest of this
plan, and where a load was broken off and gone on with (so that its rows are of two moments), the source is
digested anew, as it is now; then columns that the target computes are compared too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

from blb_migration.checks import Comparison, Difference, DifferencesKept
from blb_migration.compare.cells import compare_rows
from blb_migration.compare.difference_files import KEPT_DIFFERENCES, write_differences
from blb_migration.compare.narrow import narrow_to_rows
from blb_migration.compare.sides import ComparedTable
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.binary.field_texts import FieldTexts
from blb_migration.postgres.binary.hash_functions import HashFunction
from blb_migration.postgres.ledger.loads import read_digest
from blb_migration.postgres.ledger.records import TableLoad
from blb_migration.postgres.ledger.runs import read_run
from blb_migration.postgres.names import TargetConnection

SHOWN_DIFFERENCES = 10


@dataclass(frozen=True)
class ContentOutcome:
    """What was compared, and what differs, if anything does."""

    comparisons: tuple[Comparison, ...]
    differences: DifferencesKept | None


def compare_content(
    migration: Migration, table: TablePlan, connection: TargetConnection, load: TableLoad, *, trusts: bool
) -> ContentOutcome:
    """Compare the table's content with what ``load`` read if ``trusts``, else with the source as it is now.

    Raises SourceError, TargetError, and ConfigurationError when differences cannot be written.
    """
    if trusts:
        compared = ComparedTable.as_loaded(table)
        source, how = read_digest(connection, load), "as loaded"
    else:
        compared = ComparedTable.with_computed(table)
        source, how = compared.add_up(compared.read_source(migration)), "read again"
    target = compared.add_up(compared.read_target(connection), source.function)
    comparisons = (
        _compare_counts("rows digested", source, target),
        Comparison(
            f"digest of {len(compared.columns)} columns, {how}",
            source.hexdigest(),
            target.hexdigest(),
            source.hexdigest() == target.hexdigest(),
        ),
    )
    buckets = source.differing_buckets(target)
    if not buckets:
        return ContentOutcome(comparisons, None)
    differences = _find_differences(migration, compared, connection, buckets, source.function)
    return ContentOutcome((*comparisons, _compare_rows(differences)), differences)


def trusts_load(migration: Migration, connection: TargetConnection, load: TableLoad) -> bool:
    """Whether the load's digest is compared, instead of the source as it is now.

    Only what the load took a digest of at one go, of the columns and conversions of the plan in force; and
    unless asked for, only in the run that loaded the table.
    """
    rereads = migration.comparing.rereads_source
    if rereads is None:
        rereads = load.run_id != migration.run.run_id
    return not rereads and _is_digest_usable(migration, connection, load)


def _is_digest_usable(migration: Migration, connection: TargetConnection, load: TableLoad) -> bool:
    if load.loaded is None or load.loaded.digest is None or load.resumed_from is not None:
        return False
    run = read_run(connection, load.run_id)
    return run is not None and run.start.plan_hash == migration.project.plan.hash


def _compare_counts(name: str, source: TableDigest, target: TableDigest) -> Comparison:
    return Comparison(
        name,
        str(source.row_count),
        str(target.row_count),
        source.row_count == target.row_count,
        str(target.row_count - source.row_count),
    )


def _compare_rows(differences: DifferencesKept) -> Comparison:
    """Return what the digests' difference comes from. Nothing, if source and target are equal by now."""
    if not differences.source_rows and not differences.target_rows:
        return Comparison(
            "rows that differ now",
            "0",
            "0: the source has changed since the load, the target is like it",
            False,
        )
    return Comparison(
        "rows without an equal on the other side",
        str(differences.source_rows),
        str(differences.target_rows),
        False,
    )


def _find_differences(
    migration: Migration,
    compared: ComparedTable,
    connection: TargetConnection,
    buckets: tuple[int, ...],
    function: HashFunction,
) -> DifferencesKept:
    rows = narrow_to_rows(
        lambda: compared.read_source(migration),
        lambda: compared.read_target(connection),
        buckets,
        compared.key,
        function,
    )
    texts = FieldTexts([column.target for column in compared.columns], compared.table.hidden_columns)
    found = compare_rows(rows.source_rows, rows.target_rows, texts, compared.key.positions)
    differences = list(islice(found, KEPT_DIFFERENCES + 1))
    kept = differences[:KEPT_DIFFERENCES]
    folder = migration.comparing.differences_folder / migration.run.run_id
    csv_path, parquet_path = write_differences(folder, compared.table.label, kept)
    kinds = Counter(difference.kind for difference in kept)
    return DifferencesKept(
        source_rows=rows.source_count,
        target_rows=rows.target_count,
        cell_count=kinds["changed"],
        row_count=kinds["missing"] + kinds["extra"],
        is_complete=rows.is_complete and len(differences) == len(kept),
        csv_path=str(csv_path),
        parquet_path=str(parquet_path),
        first=tuple(str(difference) for difference in kept[:SHOWN_DIFFERENCES]),
        cells=_choose_cells(kept),
    )


def _choose_cells(kept: list[Difference]) -> tuple[Difference, ...]:
    """Choose the first few to be shown, changed cells before whole rows, whose values stay in the files."""
    ordered = sorted(kept, key=lambda difference: difference.kind != "changed")[:SHOWN_DIFFERENCES]
    return tuple(
        each if each.kind == "changed" else replace(each, source_value=None, target_value=None)
        for each in ordered
    )
