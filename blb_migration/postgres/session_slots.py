"""How many sessions read the source and write the target at once, over all tables, chunks and machines.

Each side has numbered slots, 1 to its limit, which are advisory locks of the target: every process that loads
asks the same server, wherever it runs, and a process that dies gives its slots back. Whoever needs both takes
the source's slot first, so that nobody waits in a circle.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from blb_migration import waiting
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

Side = Literal["source", "target"]

# Any constants will do as long as every version of this tool uses the same: "blbs", "blbt" in ASCII.
_KEYS: dict[Side, int] = {"source": 0x626C6273, "target": 0x626C6274}
_SIDES: tuple[Side, Side] = ("source", "target")
_ASK_EVERY_SECONDS = 0.2
_SUBJECT = "the slots for sessions"
# OFFSET 0 keeps the order, so that slots are tried one by one until the first that is free.
_TAKE = """
SELECT slot FROM (
    SELECT slot FROM generate_series(1, %s::int) AS slot WHERE slot <> ALL (%s::int[]) ORDER BY slot OFFSET 0
) AS in_order
WHERE pg_catalog.pg_try_advisory_lock(%s::int, slot) LIMIT 1
"""


class SessionSlots:
    """The slots of one process's load, all in one session, which its threads share; it is in no transaction
    when they are taken.

    A limit that is None is no limit. What is taken ends with the session. Methods raise TargetError.
    """

    def __init__(
        self, connection: TargetConnection, source_limit: int | None, target_limit: int | None
    ) -> None:
        self._connection = connection
        self._limits: dict[Side, int | None] = {"source": source_limit, "target": target_limit}
        self._lock = threading.Lock()
        # A session is given its own locks as often as it asks.
        self._own: dict[Side, set[int]] = {side: set() for side in _SIDES}

    @contextmanager
    def holding_pair(self, label: str) -> Iterator[None]:
        """Hold a slot at either side, after waiting for both; ``label`` is the table that waits."""
        self._wait_for_pair(label)
        yield
        self.give_back_pair()  # after an error, the session's end does that

    def _wait_for_pair(self, label: str) -> None:
        for side in _SIDES:
            pace = waiting.SayPace(waiting.SAY_EVERY_SECONDS)
            while not self._take(side):
                if pace.is_due():
                    waiting.tell(
                        f"table {label}: waiting for one of the {self._limits[side]} sessions that may be"
                        f" busy with the {side} at once (BLB_{side.upper()}_SESSIONS)"
                    )
                time.sleep(_ASK_EVERY_SECONDS)

    def take_pair(self) -> bool:
        """Take a slot at either side if both are free now."""
        if not self._take("source"):
            return False
        if self._take("target"):
            return True
        self._give_back("source")
        return False

    def give_back_pair(self) -> None:
        """Give a slot back at either side."""
        self._give_back(*_SIDES)

    def _take(self, side: Side) -> bool:
        limit, own = self._limits[side], self._own[side]
        with self._lock:
            if limit is None:
                return True
            with target_errors(_SUBJECT):
                row = self._connection.execute(_TAKE, (limit, list(own), _KEYS[side])).fetchone()
            if row is not None:
                own.add(row[0])
            return row is not None

    def _give_back(self, *sides: Side) -> None:
        with self._lock:
            slots = {side: max(self._own[side]) for side in sides if self._limits[side] is not None}
            if not slots:
                return
            unlocking = ", ".join("pg_catalog.pg_advisory_unlock(%s::int, %s::int)" for _ in slots)
            values = [value for side, slot in slots.items() for value in (_KEYS[side], slot)]
            with target_errors(_SUBJECT):
                self._connection.execute(f"SELECT {unlocking}".encode(), values)
            for side, slot in slots.items():
                self._own[side].discard(slot)
