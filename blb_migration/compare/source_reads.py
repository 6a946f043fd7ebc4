"""Which source a table was loaded from, whether the one at hand is it, and what its marker says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from blb_migration.errors import OtherSource, SourceError
from blb_migration.first_few import name_some
from blb_migration.migration import Migration
from blb_migration.model import TableName
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger.sources import (
    TableRead,
    read_sources_loaded_from,
    read_table_reads,
    record_movement,
)
from blb_migration.postgres.ledger.versions import upgrade_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.source_marker import (
    MarkerVerdict,
    Movement,
    SourceMarker,
    SourceOrigin,
    compare_markers,
    merge_markers,
)
from blb_migration.sqlserver.marker import read_marker
from blb_migration.sqlserver.origin import read_origin

_NAMED_TABLES = 3


def refuse_other_source(loaded_from: Mapping[str, SourceOrigin], origin: SourceOrigin) -> None:
    """Raise OtherSource when one of these tables, by label, was loaded from another source than ``origin``.

    A comparison with it could find nothing, or what looks equal, and prove nothing either way.
    """
    others = [(label, known) for label, known in loaded_from.items() if not known.is_same(origin)]
    if not others:
        return
    label, known = others[0]
    labels = [each for each, _ in others]
    is_one = len(labels) == 1
    differences = ", ".join(origin.find_differences(known))
    raise OtherSource(
        f"source {origin}",
        found=f"{name_some(labels, _NAMED_TABLES)} {'was' if is_one else 'were'} loaded from another"
        f" source, {known} ({differences}); nothing was compared",
        expected=f"the source that {label} was loaded from",
        next_act="Name that source with --source-conn, or load the tables from this one first",
    )


def refuse_to_compare_with_other(migration: Migration, tables: Sequence[TablePlan]) -> None:
    """Ask both sides, and raise OtherSource like ``refuse_other_source``; else SourceError, TargetError."""
    with migration.source.connect() as session:
        origin = read_origin(session)
    with migration.target.connect() as connection:
        if upgrade_ledger(connection):
            loaded = read_sources_loaded_from(connection, [table.target.name for table in tables])
            by_label = {
                table.label: loaded[name] for table in tables if (name := table.target.name) in loaded
            }
            refuse_other_source(by_label, origin)


def judge_movement(migration: Migration, connection: TargetConnection) -> MarkerVerdict:
    """Say whether somebody wrote to the source since each planned table was read, and record it with the run.

    Raises TargetError. A source that does not answer any more leaves it unknown.
    """
    planned = migration.project.plan.tables
    reads = read_table_reads(connection, [table.target.name for table in planned])
    before = _merge(reads)
    after: SourceMarker | None = None
    if before is None or len(reads) < len(planned):
        verdict = MarkerVerdict(
            Movement.UNKNOWN,
            "whether somebody wrote to the source is not known: not every table was read with its marker",
        )
    else:
        try:
            after = _read_marker(migration, [table.source.name for table in planned])
            verdict = compare_markers(before, after)
        except SourceError as error:
            verdict = MarkerVerdict(
                Movement.UNKNOWN,
                f"whether somebody wrote to the source is not known: it does not answer ({error.found})",
            )
    record_movement(connection, migration.run.run_id, before, after, verdict)
    return verdict


def _merge(reads: Collection[TableRead]) -> SourceMarker | None:
    """Return the markers from before each read as one; None where one is missing or of another source."""
    markers = [read.before for read in reads if read.before is not None]
    if not markers or len(markers) < len(reads):
        return None
    if any(not marker.origin.is_same(markers[0].origin) for marker in markers):
        return None
    return merge_markers(markers)


def _read_marker(migration: Migration, tables: Collection[TableName]) -> SourceMarker:
    with migration.source.connect() as session:
        return read_marker(session, tables)
