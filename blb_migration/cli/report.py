"""``blb-migrate report``: the report once more, at any time, from the ledger in the target alone."""

from __future__ import annotations

from pathlib import Path

from blb_migration.cli.options import Debug, Output, TargetConn
from blb_migration.errors import ExitCode

REPORT_FILE = Path("report.json")


def rebuild(target_conn: TargetConn = None, output: Output = None, debug: Debug = False) -> ExitCode:
    """Read the ledger, write report.json or FILE and print the outcome. SELECT on the ledger is enough.

    Exits with 0 only if the ledger says that everything is equal. Raises ConfigurationError, or
    TargetError when the target does not answer or holds no ledger.
    """
    from blb_migration.cli.outcome import print_report, refuse_unwritable
    from blb_migration.cli.terminal import build_console
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.report.document import rebuild_report
    from blb_migration.settings import read_target_settings

    output = output or REPORT_FILE
    refuse_unwritable(output)
    report = rebuild_report(TargetConnector(read_target_settings(target_conn)))
    print_report(build_console(), report, output)
    return ExitCode.RECONCILED if report["reconciliation"]["equal"] else ExitCode.NOT_EQUAL
