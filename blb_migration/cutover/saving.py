"""What a rollback saves before SQL Server serves again: the rows written on PostgreSQL meanwhile."""

from __future__ import annotations

from typing import Any

from blb_migration.cutover.journal import POSTPONED
from blb_migration.cutover.kept import read_written, save_written
from blb_migration.cutover.night import Night
from blb_migration.errors import TargetError
from blb_migration.postgres.kept_rows import drop_kept_tables
from blb_migration.postgres.ledger.live_mark import withdraw_live_mark
from blb_migration.postgres.ledger.versions import has_ledger


def save_and_release(night: Night) -> dict[str, Any]:
    """Save what was written since the switch, let go of the copies, and withdraw the live mark.

    May be repeated. Where the target does not answer, SQL Server must serve all the same: then nothing is
    let go of, and the evidence says what is postponed until the target answers again.
    """
    folder = night.records / "written" / (night.journal.night_id or "none")
    try:
        saved = save_written(night, "live", folder)
        with night.target.connect() as connection:
            if has_ledger(connection):
                drop_kept_tables(connection, "live")
                withdrawn = withdraw_live_mark(connection)
            else:
                withdrawn = False
    except TargetError as error:
        if not error.is_transient:
            raise
        return {
            POSTPONED: f"what was written on PostgreSQL is not saved: it does not answer ({error.found}); "
            "it stays there. Once it answers: 'blb-migrate rollback --execute' again"
        }
    return {
        "written": [str(one) for one in saved],
        "saved_in": str(folder) if saved else None,
        "live_mark_withdrawn": withdrawn,
    }


def describe_saving(night: Night) -> list[str]:
    """Say what a rollback would save, as it stands now. Raises TargetError."""
    touched = [one for one in read_written(night, "live") if not one.is_untouched]
    return [f"would save what was written on PostgreSQL: {one}" for one in touched]
