"""The source's own record of its backups, in msdb. Needs SELECT on two of its tables; only reads.

Columns: https://learn.microsoft.com/sql/relational-databases/system-tables/backupset-transact-sql. Times are
the server's local time, to the second, without a zone. An LSN is the number of its log file, of its block
(ten digits) and of its slot (five digits) one after the other; sys.dm_db_log_stats writes the three in
hexadecimal, with colons between.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from blb_migration.sqlserver.connect import SourceSession

_FULL_BACKUPS = """
SELECT TOP (20) b.backup_set_id, b.name, b.backup_start_date, b.backup_finish_date, b.last_lsn,
       b.is_copy_only, b.is_damaged, b.has_backup_checksums, b.is_snapshot, b.backup_size,
       b.compressed_backup_size, b.key_algorithm, b.media_set_id
FROM msdb.dbo.backupset AS b
WHERE b.database_name = DB_NAME() AND b.type = 'D'
      AND b.server_name = CONVERT(nvarchar(128), SERVERPROPERTY('ServerName'))
ORDER BY b.backup_finish_date DESC, b.backup_set_id DESC
"""
_MEDIA = """
SELECT f.family_sequence_number, f.physical_device_name, f.device_type
FROM msdb.dbo.backupmediafamily AS f
WHERE f.media_set_id = ? AND f.mirror = 0
ORDER BY f.family_sequence_number
"""
_SERVER_TIME = "SELECT CONVERT(nvarchar(19), GETDATE(), 126)"
GRANT = (
    "USE msdb; CREATE USER [log-in] FOR LOGIN [log-in]; GRANT SELECT ON dbo.backupset TO [log-in]; "
    "GRANT SELECT ON dbo.backupmediafamily TO [log-in]"
)
_DEVICES = {
    2: "disk",
    5: "tape",
    7: "virtual device",
    9: "URL",
    102: "disk",
    105: "tape",
    107: "virtual device",
}


@dataclass(frozen=True)
class BackupSet:
    """One full backup of the source database. ``media`` are its files, devices or URLs, one per stripe."""

    set_id: int
    name: str | None
    started_at: datetime.datetime
    finished_at: datetime.datetime
    last_lsn: int | None
    is_copy_only: bool
    is_damaged: bool
    has_checksums: bool
    is_snapshot: bool
    backup_bytes: int | None
    compressed_bytes: int | None
    encryption: str | None
    media: tuple[str, ...]

    def __str__(self) -> str:
        traits = [
            "copy-only" if self.is_copy_only else "",
            f"encrypted ({self.encryption})" if self.encryption else "",
            f"{len(self.media)} stripes" if len(self.media) > 1 else "",
            "compressed" if self.compressed_bytes and self.compressed_bytes != self.backup_bytes else "",
            "without checksums" if not self.has_checksums else "",
            "a snapshot by another program" if self.is_snapshot else "",
            "DAMAGED" if self.is_damaged else "",
        ]
        listed = ", ".join(trait for trait in traits if trait)
        return (
            f"backup set {self.set_id}, finished {self.finished_at:%Y-%m-%d %H:%M:%S} (the server's time)"
            f"{f', {listed}' if listed else ''}, on "
            f"{', '.join(self.media) or 'media that msdb does not name'}"
        )


def read_full_backups(session: SourceSession) -> tuple[BackupSet, ...] | None:
    """Read the database's latest full backups, the newest first; None where msdb may not be read.

    Raises SourceError only when the connection is lost.
    """
    rows = session.read_if_told(_FULL_BACKUPS, what="its backups")
    if rows is None:
        return None
    return tuple(_build_backup(session, row) for row in rows)


def read_server_time(session: SourceSession) -> datetime.datetime:
    """Read the server's clock, as backups are timed by it: local, without a zone. Raises SourceError."""
    [(text,)] = session.read_rows(_SERVER_TIME, action="reading the server's clock")
    return datetime.datetime.fromisoformat(text)


def parse_log_lsn(text: str) -> int | None:
    """Return an LSN as backups have it, from one as sys.dm_db_log_stats has it; None for another form."""
    parts = text.split(":")
    try:
        file, block, slot = (int(part, 16) for part in parts)
    except ValueError:
        return None
    return (file * 10**10 + block) * 10**5 + slot


def _build_backup(session: SourceSession, row: tuple[Any, ...]) -> BackupSet:
    number, name, started_at, finished_at, last_lsn = row[:5]
    is_copy_only, is_damaged, has_checksums, is_snapshot, size, compressed, algorithm, media_set = row[5:]
    media = session.read_if_told(_MEDIA, [media_set], what="where its backups are") or []
    return BackupSet(
        int(number),
        name,
        started_at,
        finished_at,
        None if last_lsn is None else int(last_lsn),
        bool(is_copy_only),
        bool(is_damaged),
        bool(has_checksums),
        bool(is_snapshot),
        None if size is None else int(size),
        None if compressed is None else int(compressed),
        algorithm,
        tuple(
            f"{place} ({_DEVICES.get(kind, f'device type {kind}')})" if place else f"stripe {position}"
            for position, place, kind in media
        ),
    )
