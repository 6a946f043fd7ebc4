"""msdb's record of backups, as far as it is read: two tables, and a way to say that a backup was taken."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa

from blb_migration.model import Column, Table, TableName
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.type_names import parse_type

_BACKUPSET = (
    "backup_set_id int, media_set_id int, name nvarchar(128)?, type char(1)?, database_name nvarchar(128)?, "
    "server_name nvarchar(128)?, backup_start_date datetime?, backup_finish_date datetime?, "
    "last_lsn numeric(25,0)?, is_copy_only bit?, is_damaged bit?, has_backup_checksums bit?, "
    "is_snapshot bit?, backup_size numeric(20,0)?, compressed_backup_size numeric(20,0)?, "
    "key_algorithm nvarchar(32)?"
)
_MEDIA = (
    "media_set_id int, family_sequence_number tinyint, physical_device_name nvarchar(260)?, "
    "device_type tinyint?, mirror tinyint"
)


def create_backup_history(msdb: Database) -> None:
    """Create the two tables, empty."""
    for name, columns in (("backupset", _BACKUPSET), ("backupmediafamily", _MEDIA)):
        msdb.create_table(Table(TableName("dbo", name), tuple(map(_build_column, columns.split(", ")))))


def record_backup(
    msdb: Database,
    database: Database,
    server_name: str,
    *,
    finished_at: dt.datetime | None = None,
    media: tuple[tuple[str, int], ...] = (("D:\\Backup\\erp.bak", 2),),
    is_copy_only: bool = False,
    is_damaged: bool = False,
    has_checksums: bool = True,
    is_snapshot: bool = False,
    key_algorithm: str | None = None,
    last_lsn: int | None = None,
) -> None:
    """Say that a full backup of ``database`` was taken, now or at ``finished_at``, up to its log's end."""
    finished_at = finished_at or dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    number = msdb.find_table("dbo.backupset").row_count + 1
    lsn = database.log_end_lsn if last_lsn is None else last_lsn
    row = {
        "backup_set_id": pa.array([number], pa.int32()),
        "media_set_id": pa.array([number], pa.int32()),
        "type": ["D"],
        "database_name": [database.name],
        "server_name": [server_name],
        "backup_start_date": pa.array([finished_at], pa.timestamp("ms")),
        "backup_finish_date": pa.array([finished_at], pa.timestamp("ms")),
        "last_lsn": pa.array([Decimal(lsn)], pa.decimal128(25, 0)),
        "is_copy_only": [is_copy_only],
        "is_damaged": [is_damaged],
        "has_backup_checksums": [has_checksums],
        "is_snapshot": [is_snapshot],
        "backup_size": pa.array([Decimal(1_000_000)], pa.decimal128(20, 0)),
        "compressed_backup_size": pa.array([Decimal(300_000)], pa.decimal128(20, 0)),
        "key_algorithm": pa.array([key_algorithm], pa.string()),
    }
    msdb.load("dbo.backupset", pa.table(row))
    msdb.load(
        "dbo.backupmediafamily",
        pa.table(
            {
                "media_set_id": pa.array([number] * len(media), pa.int32()),
                "family_sequence_number": pa.array(range(1, len(media) + 1), pa.uint8()),
                "physical_device_name": [place for place, _ in media],
                "device_type": pa.array([kind for _, kind in media], pa.uint8()),
                "mirror": pa.array([0] * len(media), pa.uint8()),
            }
        ),
    )


def _build_column(text: str) -> Column:
    name, type_text = text.split(" ", 1)
    return Column(name, parse_type(type_text.rstrip("?")), type_text.endswith("?"))
