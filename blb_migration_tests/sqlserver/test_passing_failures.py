"""Failures of SQL Server that pass by themselves: known as such, with the next act that fits them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blb_migration.errors import SourceError
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sqlserver.connect import SourceSession

BUSY = "Run again in a minute"
# Their texts are the documentation's.
PASSING = {
    1205: (
        "Transaction (Process ID 55) was deadlocked on lock resources with another process and has been "
        "chosen as the deadlock victim. Rerun the transaction.",
        "let another session go first",
    ),
    40501: (
        "The service is currently busy. Retry the request after 10 seconds. Incident ID: 1. Code: 2.",
        BUSY,
    ),
    40613: (
        "Database 'shop' on server 'one' is not currently available. Please retry the connection later.",
        BUSY,
    ),
    40197: (
        "The service has encountered an error processing your request. Please try again. Error code 4.",
        BUSY,
    ),
    10928: ("Resource ID : 1. The request limit for the database is 200 and has been reached.", BUSY),
    49918: ("Cannot process request. Not enough resources to process request. Please retry later.", BUSY),
}


@pytest.fixture
def failing(workshop_server: SqlServerEmulator) -> Iterator[SqlServerEmulator]:
    yield workshop_server
    workshop_server.faults.clear()


@pytest.mark.parametrize("number", PASSING)
def test_it_is_worth_another_try(workshop: SourceSession, failing: SqlServerEmulator, number: int) -> None:
    said, next_act = PASSING[number]
    failing.faults.add(Fault("SELECT 77", error=SqlServerError(number, said)))
    with pytest.raises(SourceError, match=next_act) as caught:
        workshop.read_rows("SELECT 77", action="asking")
    assert caught.value.is_transient


def test_what_a_person_must_correct_is_not(workshop: SourceSession, failing: SqlServerEmulator) -> None:
    failing.faults.add(Fault("SELECT 77", error=SqlServerError(8134, "Divide by zero error encountered.")))
    with pytest.raises(SourceError, match="Correct the cause") as caught:
        workshop.read_rows("SELECT 77", action="asking")
    assert not caught.value.is_transient
