"""``blb-migrate work``: this machine loads chunks of the large tables that a run elsewhere is loading."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from blb_migration.cli.options import Debug, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ExitCode

_LOOK_EVERY_SECONDS = 1.0
_INTERRUPTED = "interrupted; chunks that were not finished go back to the run, which loads them."


def work(
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Go on after the run's end, for the next one; until interrupted.")
    ] = False,
    debug: Debug = False,
) -> ExitCode:
    """Take chunks of large tables from the ledger of a run that is at work, and load them beside it.

    Start it on as many machines as you like in the middle of a run, with the run's URLs, project and version;
    with --wait also before one. If it is killed or cut off, its chunks go back to the run. Ends with the run,
    with 0 also where there was nothing to do.

    Raises MigrationError, for a target that is live too; with --wait that is waited for: no run can begin.
    """
    from blb_migration.cli.discovery import read_databases, read_project
    from blb_migration.cli.load_helper import LoadHelper
    from blb_migration.cli.terminal import build_console
    from blb_migration.defs.loading import read_loading
    from blb_migration.migration import Migration, RunInfo
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.postgres.ledger.live_mark import refuse_live_target

    console = build_console()
    databases = read_databases(source_conn, target_conn)
    migration = Migration(
        read_project(project),
        databases.source,
        TargetConnector(databases.target_settings, is_expendable=True),
        RunInfo("", "migration"),
        loading=read_loading(),
    )
    if not wait:
        with migration.target.connect() as connection:
            refuse_live_target(connection, "the target")
    helper = LoadHelper(migration, databases, lambda text: console.print(text, markup=False, soft_wrap=True))
    try:
        while helper.look(goes_on=wait) or wait:
            time.sleep(_LOOK_EVERY_SECONDS)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_INTERRUPTED) from None
    helper.say_end()
    return ExitCode.RECONCILED
