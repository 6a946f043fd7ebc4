"""The checks of one table, each runnable alone, each recorded in the ledger with the load it judged.

A check passes only if every one of its comparisons is equal, exactly. What could not be compared
raises, and is recorded as failed: nothing is ever equal without an answer, nor by an older answer once a
newer one was asked for. How each check compares is in a module of its own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace

from blb_migration.checks import (
    CHECK_NAMES,
    CheckResult,
    Comparison,
    DifferencesKept,
    describe_comparison,
)
from blb_migration.compare.content import compare_content, trusts_load
from blb_migration.compare.counts_and_totals import compare_metrics
from blb_migration.compare.integrity import compare_integrity
from blb_migration.compare.metric_selection import build_metrics
from blb_migration.compare.source_reads import refuse_other_source
from blb_migration.errors import MigrationError, OtherSource, TableFailed, TargetError
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger import records as ledger_records
from blb_migration.postgres.ledger.check_results import record_check
from blb_migration.postgres.ledger.loads import read_finished_load
from blb_migration.postgres.ledger.records import SourceRead, TableLoad
from blb_migration.postgres.ledger.sources import read_known_sources, read_table_reads, register_source
from blb_migration.postgres.ledger.versions import asking_version_once, upgrade_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.run_entry import ensure_run
from blb_migration.source_marker import NOT_JUDGED, SourceMarker, SourceOrigin, compare_markers
from blb_migration.sqlserver.marker import read_marker
from blb_migration.sqlserver.origin import read_origin

__all__ = ["CHECK_NAMES", "CheckResult", "Comparison", "run_check"]

BROKEN_OFF = "the comparison, which broke off"


def run_check(migration: Migration, table: TablePlan, name: str) -> CheckResult:
    """Compare both sides now and record the outcome; loads nothing.

    Raises SourceError or TargetError when a side cannot answer, OtherSource where the table was loaded from
    another source, TableFailed when it was never loaded, ConfigurationError when differences cannot be
    written, and ValueError for a check that does not exist.
    """
    if name not in CHECK_NAMES:
        raise ValueError(f"no check {name!r}; there are {', '.join(CHECK_NAMES)}")
    with migration.target.connect() as connection, asking_version_once(connection):
        load = read_finished_load(connection, table.target.name) if upgrade_ledger(connection) else None
        if load is None:
            raise TableFailed(
                f"check {name} of {table.label}",
                found="the ledger has no finished load of this table",
                next_act="Load the table first",
            )
        ensure_run(connection, migration)
        try:
            read, result = _compare(migration, table, connection, load, name)
        except OtherSource:  # nothing was compared, nor does anything follow for what was
            raise
        except Exception as error:
            _record_as_failed(migration, table, load, name, error)
            raise
        _record(connection, migration, table, load, result, read)
    return result


def _compare(
    migration: Migration, table: TablePlan, connection: TargetConnection, load: TableLoad, name: str
) -> tuple[SourceRead, CheckResult]:
    """Compare, and note which source was read for it and since when."""
    differences: DifferencesKept | None = None
    left_out: tuple[str, ...] = ()
    read = SourceRead(load.source_id)
    sentence = "The source is not read for it"
    if name == "integrity":
        comparisons = compare_integrity(migration.project.plan, table, connection, load)
    elif name == "content":
        trusts = trusts_load(migration, connection, load)
        sentence = "Compared with what the load has read"
        if not trusts:
            with migration.source.connect() as session:
                before = read_marker(session, [table.source.name])
            sentence = _describe_movement(connection, table, before)
            read = replace(_bind(connection, table, load, before.origin), before=before)
        outcome = compare_content(migration, table, connection, load, trusts=trusts)
        comparisons, differences = outcome.comparisons, outcome.differences
    else:
        wanted = [each for each in build_metrics(table) if (each.name == "rows") == (name == "row_count")]
        with migration.source.connect() as session:
            read = _bind(connection, table, load, read_origin(session))
            metrics = compare_metrics(session, table, connection, wanted)
        comparisons, left_out = metrics.comparisons, metrics.left_out
        sentence = "Compared with the source as it is now"
    passed = all(comparison.match for comparison in comparisons)
    return read, CheckResult(table.label, name, passed, comparisons, differences, left_out, sentence)


def _describe_movement(connection: TargetConnection, table: TablePlan, now: SourceMarker) -> str:
    """Say what the marker tells of the time since the table's rows were read the last time."""
    reads = read_table_reads(connection, [table.target.name])
    verdict = compare_markers(reads[0].before, now) if reads and reads[0].before else NOT_JUDGED
    return f"Compared with the source as it is now; since it was read last: {verdict.sentence}"


def _bind(
    connection: TargetConnection, table: TablePlan, load: TableLoad, origin: SourceOrigin
) -> SourceRead:
    """Return from which source is read from now on; raise OtherSource unless the load has read the same."""
    known = read_known_sources(connection)
    if load.source_id is None:
        return SourceRead(register_source(connection, origin), known.moment)
    refuse_other_source({table.label: known.origins[load.source_id]}, origin)
    return SourceRead(load.source_id, known.moment)


def _record_as_failed(
    migration: Migration, table: TablePlan, load: TableLoad, name: str, error: Exception
) -> None:
    """Put it on record that the check gave no answer, in a session of its own: the other may be broken.

    Where not even that is possible, ``error`` still ends the run. A bug's own text may hold values.
    """
    reason = str(error) if isinstance(error, MigrationError) else f"{type(error).__name__}, a bug"
    broken_off = Comparison(BROKEN_OFF, None, reason, match=False)
    result = CheckResult(table.label, name, False, (broken_off,))
    with suppress(TargetError), migration.target.connect(outlives_cancel=True) as connection:
        _record(connection, migration, table, load, result, SourceRead(load.source_id))


def _record(  # noqa: PLR0917
    connection: TargetConnection,
    migration: Migration,
    table: TablePlan,
    load: TableLoad,
    result: CheckResult,
    read: SourceRead,
) -> None:
    record_check(
        connection,
        ledger_records.CheckResult(
            run_id=migration.run.run_id,
            load_id=load.load_id,
            table=table.target.name,
            check_name=result.name,
            passed=result.passed,
            plan_hash=migration.project.plan.hash,
            details=_describe(result),
            read=read,
        ),
    )


def _describe(result: CheckResult) -> dict[str, object]:
    details: dict[str, object] = {"comparisons": [describe_comparison(each) for each in result.comparisons]}
    if result.left_out:
        details["left_out"] = list(result.left_out)
    if result.differences is not None:
        details["differences"] = asdict(result.differences)
    return details
