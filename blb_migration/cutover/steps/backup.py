"""Step 3: there is a backup of the frozen source that SQL Server itself calls whole. Takes none itself."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blb_migration.cutover.commands import run_command, show_command
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, later, note, obstacle
from blb_migration.cutover.steps.freeze import read_frozen_marker
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.sqlserver.backups import (
    GRANT,
    BackupSet,
    parse_log_lsn,
    read_full_backups,
    read_server_time,
)

_PAUSE_SECONDS = 2.0


class BackupStep(PlainStep):
    """Looks into msdb; an operator's command may take the backup before."""

    name = "backup"

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        command = night.settings.backup.command
        looks = "look into msdb for a full backup that finished after the freeze"
        return (f"run {show_command(command)}", looks) if command else (looks,)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask for the right to read msdb, and what backup there is."""
        return tuple(_ask(night))

    def look(self, night: Night, record: StepRecord) -> World:
        """Done if the backup was found for this very freeze."""
        frozen_at = night.journal.record("freeze").evidence.get("frozen_at")
        if record.evidence and record.evidence.get("of_freeze") == frozen_at:
            return World(True, str(record.evidence.get("backup")))
        return World(False, "no backup is on record for the freeze as it is now")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Run the command, then find the backup."""
        settings = night.settings.backup
        said = None
        if _read_since(night) is None:
            with night.source.connect() as session:
                scribe.intend(begun_at_server_time=read_server_time(session).isoformat())
        if settings.command is not None and _find_good(night)[0] is None:
            scribe.tell(f"taking the backup: {show_command(settings.command)}")
            folder = night.file.path.parent
            said = run_command(settings.command, night.mask, "the backup", folder).last_words
        found, why_not = _find_good(night)
        ends_at = time.monotonic() + settings.wait_seconds
        while found is None and time.monotonic() < ends_at:
            night.sleep(min(_PAUSE_SECONDS, settings.wait_seconds))
            found, why_not = _find_good(night)
        if found is None:
            raise StepFailed(
                "the source's backup",
                found="; ".join(why_not),
                expected="a full backup that finished after the freeze, with checksums, not damaged",
                next_act="Take one (BACKUP DATABASE ... WITH CHECKSUM, COPY_ONLY), then run again; or leave "
                "the step out by a written reason: backup: {skip: ...}",
            )
        return {
            "backup": str(found),
            "set_id": found.set_id,
            "media": list(found.media),
            "last_lsn": None if found.last_lsn is None else str(found.last_lsn),
            "of_freeze": night.journal.record("freeze").evidence.get("frozen_at"),
            "command_said": said,
        }


def judge_backup(
    backup: BackupSet,
    *,
    since: datetime.datetime,
    moment: str,
    log_end: int | None,
    needs_checksum: bool,
) -> list[str]:
    """Say what is wrong with a backup as the one to go back to; nothing if it will do. ``since`` is when the
    source was frozen, by the server's time, and ``moment`` says that in words.
    """
    wrong = []
    if backup.finished_at < since:
        wrong.append(f"it finished before {moment} ({since:%Y-%m-%d %H:%M:%S} by the server's clock)")
    elif log_end is None or backup.last_lsn is None:
        if backup.started_at < since:
            wrong.append(f"it began before {moment}, and how far it goes in the log is not known")
    elif backup.last_lsn < log_end:
        wrong.append(f"it goes to LSN {backup.last_lsn}, the frozen database to {log_end}")
    if backup.is_damaged:
        wrong.append("SQL Server calls it damaged")
    if needs_checksum and not backup.has_checksums:
        wrong.append("it was taken without checksums")
    return wrong


def _read_since(night: Night) -> tuple[datetime.datetime, str] | None:
    """Read since when a backup counts, by the server's time, and what happened then: the freeze; where that
    is left out, this step's own beginning. None before either.
    """
    frozen = night.journal.record("freeze").evidence.get("server_time")
    begun = night.journal.record("backup").intents.get("begun_at_server_time")
    for text, moment in ((frozen, "the freeze"), (begun, "the step began")):
        if text is not None:
            return datetime.datetime.fromisoformat(text), moment
    return None


def _ask(night: Night) -> Iterator[Answer]:
    with night.source.connect() as session:
        backups = read_full_backups(session)
    if backups is None:
        yield obstacle("backups", "the log-in may not read msdb", f"Have an administrator run: {GRANT}")
        return
    found, why_not = _find_good(night, backups)
    if found is not None:
        yield good("backups", str(found))
        if found.is_snapshot:
            yield note(
                "backups", "it is a snapshot by another program: whether it can be restored, only that knows"
            )
        return
    if night.journal.record("freeze").state in ("closed", "skipped"):
        will = "this step takes one" if night.settings.backup.command else "waiting for one"
        yield later("backups", f"{'; '.join(why_not)}; {will}")
        return
    newest = f"the newest is {backups[0]}" if backups else "msdb knows of none of this database"
    yield later("backups", f"{newest}; one after the freeze is needed")


def _find_good(
    night: Night, backups: Sequence[BackupSet] | None = None
) -> tuple[BackupSet | None, list[str]]:
    """Find the newest backup that will do, or why each of the first ones will not."""
    with night.source.connect() as session:
        found = read_full_backups(session) if backups is None else backups
        now = read_server_time(session)
    if found is None:
        return None, [f"the log-in may not read msdb: have an administrator run {GRANT}"]
    since, moment = _read_since(night) or (now, "this moment")
    marker = read_frozen_marker(night)
    log_end = parse_log_lsn(marker.log_end) if marker is not None and marker.log_end else None
    why_not = []
    for backup in found:
        wrong = judge_backup(
            backup,
            since=since,
            moment=moment,
            log_end=log_end,
            needs_checksum=night.settings.backup.needs_checksum,
        )
        if not wrong:
            return backup, []
        why_not.append(f"{backup}: {', '.join(wrong)}")
    return None, why_not[:3] or ["msdb knows of no full backup of this database"]
