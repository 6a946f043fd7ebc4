"""What ``blb-migrate work`` does: looks for loads of other machines, helps with them, tells of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from blb_migration.cli.discovery import Databases, read_catalogs
from blb_migration.cli.exits import report_error
from blb_migration.errors import MigrationError, TargetHeld
from blb_migration.load.chunks.helping import find_project, help_load
from blb_migration.migration import Migration, ProgressEvent, TableProgress
from blb_migration.plan.project import Project
from blb_migration.postgres.ledger.chunk_claims import LoadToHelp, read_loads_to_help
from blb_migration.postgres.target_hold import read_holder
from blb_migration.progress.quantities import count

# After an error, with --wait: a server that is down is not asked every second.
_PAUSE_SECONDS = 5.0


class LoadHelper:
    """Looks for loads to help with, and tells of them."""

    def __init__(self, migration: Migration, databases: Databases, say: Callable[[str], object]) -> None:
        self._migration = migration
        self._databases = databases
        self._say = say
        self._has_helped = False

    def look(self, *, goes_on: bool) -> bool:
        """Help wherever a chunk is to be had; whether a run is at work. ``goes_on``: errors are said alone.

        Raises MigrationError.
        """
        try:
            with self._migration.target.connect() as connection:
                loads = read_loads_to_help(connection)
                is_held = read_holder(connection) is not None
            for load in loads:
                self._help(load)
        except MigrationError as error:
            if not goes_on:
                raise
            report_error(f"{error} It is tried again.")
            time.sleep(_PAUSE_SECONDS)
            return True
        return is_held or bool(loads)

    def say_end(self) -> None:
        """Say why there is nothing more to do."""
        if self._has_helped:
            self._say("No run is at work any more.")
        else:
            self._say(
                "Nothing to do: no run is loading a table in chunks. With --wait the next one is waited for."
            )

    def _help(self, load: LoadToHelp) -> None:
        project = find_project(self._iterate_projects(), load)
        parts: dict[int, int] = {}

        def count_rows(event: ProgressEvent) -> None:
            if isinstance(event, TableProgress):
                parts[event.part] = event.rows_read

        began_at = time.monotonic()
        self._say(f"Helps run {load.run_id} with {load.table}.")
        self._has_helped = True
        try:
            help_load(replace(self._migration, project=project), load, count_rows)
        except TargetHeld:  # that run has ended meanwhile
            return
        finally:
            seconds = time.monotonic() - began_at
            self._say(f"{count(len(parts), 'chunk')} with {sum(parts.values()):,} rows in {seconds:.1f} s.")

    def _iterate_projects(self) -> Iterator[Project]:
        """Yield the project as catalog.json has it, and as the databases are now: a run goes by either."""
        known = self._migration.project
        yield known
        yield known.with_catalogs(*read_catalogs(self._databases))
