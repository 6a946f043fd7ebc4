"""What the target holds at a moment of the night, and what was written since: counted, saved as files.

How it is kept is ``postgres.kept_rows``'s. Files are CSV, as PostgreSQL's COPY reads it back, and Parquet.
A CSV for COPY cannot be one for spreadsheets, which would run its formulas: for people there is Parquet.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from blb_migration.cutover.night import Night
from blb_migration.cutover.step import StepFailed
from blb_migration.errors import TargetError
from blb_migration.model import Table
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.kept_rows import (
    KeptTable,
    Kind,
    Purpose,
    WrittenTable,
    copy_written,
    count_written,
    keep_tables,
    read_kept_tables,
)
from blb_migration.postgres.ledger.versions import OWN_SCHEMAS, has_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.private_files import build_file_name, make_private_folder, open_private

_LONGEST_ROW_BYTES = 64 << 20  # of a CSV that is read back; longer ones stay in the CSV alone


def keep_target(night: Night, purpose: Purpose) -> int:
    """Keep every table of the schemas that are loaded, as it is now; returns how many. Raises TargetError."""
    with night.target.connect() as connection:
        tables = _list_tables(night, connection)
        wanted = {name.casefold() for name in night.settings.smoke.keeps}
        return keep_tables(
            connection,
            night.journal.night_id or "none",
            purpose,
            tables,
            whole_rows_up_to=night.settings.smoke.whole_rows_up_to,
            keys_up_to=night.settings.rollback.keys_up_to,
            whole=[
                table.name
                for table in tables
                if {table.name.name.casefold(), str(table.name).casefold()} & wanted
            ],
        )


def read_written(night: Night, purpose: Purpose) -> list[WrittenTable]:
    """Count what was written to each kept table since; nothing where nothing was kept. Raises TargetError.

    After the switch also to tables that the application has made since, which were not there to be kept.
    """
    night_id = night.journal.night_id
    if night_id is None:
        return []
    with night.target.connect() as connection:
        kept = read_kept_tables(connection, night_id, purpose) if has_ledger(connection) else []
        if not kept:
            return []
        names = [table.name for table in _list_tables(night, connection)]
        written = [_count(connection, one, is_there=one.table in names) for one in kept]
        known = {one.table for one in kept}
        made = [name for name in names if name not in known] if purpose == "live" else []
        moment = kept[0]
        return written + [
            count_written(connection, KeptTable(name, None, (), False, 0, moment.from_xid, moment.open_xids))
            for name in made
        ]


def _count(connection: TargetConnection, kept: KeptTable, *, is_there: bool) -> WrittenTable:
    """Count what was written to one table, by age where its copy does not fit it any more."""
    if not is_there:  # the application has dropped or renamed it
        return WrittenTable(kept.without_copy(), 0, 0, kept.row_count)
    try:
        return count_written(connection, kept)
    except TargetError as error:
        if error.is_transient or kept.copy is None:
            raise
        return count_written(connection, kept.without_copy())


def save_written(night: Night, purpose: Purpose, folder: Path) -> list[WrittenTable]:
    """Save every row that was written since, per table and kind; returns what was found.

    Raises TargetError, and StepFailed where the files cannot be written.
    """
    saved = [written for written in read_written(night, purpose) if not written.is_untouched]
    try:
        for written in saved:
            make_private_folder(folder)
            with night.target.connect() as connection:
                _save_table(connection, written, folder, night.settings.rollback.rows_saved_up_to)
    except OSError as error:
        raise StepFailed(
            str(folder),
            found=f"what was written on PostgreSQL cannot be saved there ({error.strerror or error}); it "
            "stays in the target",
            expected="a folder with room that may be written to",
            next_act="Free space or give the right, then run 'blb-migrate rollback --execute' again",
        ) from None
    return saved


def _save_table(connection: TargetConnection, written: WrittenTable, folder: Path, limit: int) -> None:
    for kind in _list_kinds(written):
        path = folder / f"{build_file_name(str(written.kept.table))}.{kind}.csv"
        with open_private(path, "wb") as file:
            copy_written(connection, written.kept, kind, limit, file)
        with suppress(pa.ArrowInvalid):  # the CSV has all of it
            _write_parquet(connection, written, path)


def _list_tables(night: Night, connection: TargetConnection) -> list[Table]:
    """List the tables of every schema that the plan loads into, also those that it does not load."""
    schemas = {table.target.name.schema for table in night.project.plan.tables}
    catalog = target_catalog.read_catalog(connection)
    return [
        table
        for table in sorted(catalog.tables, key=lambda table: table.name)
        if table.name.schema in schemas and table.name.schema not in OWN_SCHEMAS
    ]


def _list_kinds(written: WrittenTable) -> list[Kind]:
    kinds: list[Kind] = []
    if written.inserted:
        kinds.append("inserted")
    if written.changed:
        kinds.append("changed")
        if written.kept.is_whole:
            kinds.append("changed_before")
    if written.deleted and written.kept.copy is not None:
        kinds.append("deleted")
    return kinds


def _write_parquet(connection: TargetConnection, written: WrittenTable, path: Path) -> None:
    """Write the CSV's rows as Parquet: integers, booleans, doubles as such, the rest as PostgreSQL's text."""
    with path.open("rb") as file:
        heading = file.readline()
    names = pa.csv.read_csv(pa.BufferReader(heading)).column_names
    table = next(
        (one for one in target_catalog.read_catalog(connection).tables if one.name == written.kept.table),
        None,
    )
    kinds = {column.name: column.type.name for column in table.columns} if table is not None else {}
    types = {name: _ARROW.get(kinds.get(name, ""), pa.string()) for name in names}
    rows = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=_LONGEST_ROW_BYTES),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    with open_private(path.with_suffix(".parquet"), "wb") as file:
        pa.parquet.write_table(rows, file)


_ARROW = {
    "smallint": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "double precision": pa.float64(),
}
