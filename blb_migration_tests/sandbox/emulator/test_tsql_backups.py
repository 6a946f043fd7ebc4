"""BACKUP DATABASE leaves in msdb what SQL Server leaves there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration_tests.sandbox.emulator.tsql_shop import Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


def test_a_backup_is_on_record_with_its_media_and_options(shop: Shop) -> None:
    name = shop.value("SELECT DB_NAME()")
    shop.ask(f"BACKUP DATABASE [{name}] TO DISK = N'one.bak', DISK = N'two.bak' WITH COPY_ONLY, CHECKSUM")
    assert shop.ask(
        "SELECT database_name, type, is_copy_only, has_backup_checksums, server_name FROM msdb.dbo.backupset"
    ) == [(name, "D", True, True, shop.value("SELECT @@SERVERNAME"))]
    assert shop.ask("SELECT physical_device_name FROM msdb.dbo.backupmediafamily ORDER BY 1") == [
        ("one.bak",),
        ("two.bak",),
    ]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("BACKUP DATABASE nowhere TO DISK = N'a.bak'", 911),
        ("BACKUP DATABASE master TO DISK = N'a.bak' WITH DIFFERENTIAL", 40515),
        ("BACKUP DATABASE master TO URL = N'a.bak'", 102),
    ],
)
def test_what_it_cannot_do_is_refused(shop: Shop, statement: str, number: int) -> None:
    with pytest.raises(SqlServerError) as refused:
        shop.ask(statement)
    assert refused.value.number == number
    assert shop.ask("SELECT name FROM msdb.dbo.backupset") == []
