"""One run, one target: a run holds the target from its first write to its end; others wait or refuse.

All stages of a run in one process share one hold, as do its other processes (``postgres/target_hold``).
Waiting for another run is said every five seconds, and ends after BLB_RUN_WAIT seconds with its name. Whoever
holds the target, or sees that nobody does, knows that a run without an end in its ledger was killed, and
records that.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg

from blb_migration import waiting
from blb_migration.errors import MigrationError, TargetHeld
from blb_migration.postgres.cancellable import outlive_cancel
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.runs import end_killed_runs
from blb_migration.postgres.ledger.versions import has_current_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.target_hold import (
    Holder,
    is_hold_alive,
    nobody_comes,
    reserve_target,
    take_hold,
)
from blb_migration.settings.machine import read_host
from blb_migration.settings.variables import WaitingVariables, name_variable

ASK_EVERY_SECONDS = 0.5
# For the next step's process to start, after a pause before a step that is tried again, too.
RESERVED_SECONDS = 60.0


class TargetHold:
    """One process's part in its run's hold; thread-safe. Taken by ``ensure``, which every stage may call."""

    def __init__(self, target: TargetConnector, run_id: str) -> None:
        self._target = target
        self._run_id = run_id
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._session: TargetConnection | None = None
        self.was_taken = False

    def ensure(self) -> None:
        """Hold the target, anew where its session was lost. Raises TargetHeld naming another run that has it.

        Raises TargetUnreachable and TargetError, too.
        """
        with self._lock:
            if self._session is not None and not self._is_alive(self._session):
                self._close()
            if self._session is None:
                self._session = self._take()
                self.was_taken = True

    def release(self, *, for_next_process: bool = False) -> None:
        """Let go of the target; ``for_next_process`` reserves it for the run a while. Never raises."""
        with self._lock:
            if self._session is not None and for_next_process:
                with suppress(MigrationError), self._target.connect(outlives_cancel=True) as connection:
                    reserve_target(connection, self._run_id, RESERVED_SECONDS)
            self._close()

    def _is_alive(self, session: TargetConnection) -> bool:
        try:
            return is_hold_alive(session, self._run_id)
        except psycopg.Error:  # the server was restarted, or has ended the session
            return False

    def _take(self) -> TargetConnection:
        limit = WaitingVariables.read().run_wait
        pace = waiting.SayPace()
        session = self._stack.enter_context(self._target.connect())
        try:
            while True:
                holder = take_hold(session, self._run_id, read_host(), os.getpid())
                if holder is None:
                    if has_current_ledger(session):
                        end_killed_runs(session, self._run_id)
                    outlive_cancel(session)  # the run's end is to be written down under the hold, too
                    return session
                if pace.elapsed_seconds >= limit:
                    raise _build_refusal(self._target, holder, limit)
                if pace.is_due():
                    waiting.tell(f"waiting for the target: {holder} holds it; {_describe_limit(pace, limit)}")
                time.sleep(min(ASK_EVERY_SECONDS, max(limit - pace.elapsed_seconds, 0.0)))
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        if self._session is not None:
            with suppress(psycopg.Error):
                self._session.close()  # the lock goes with it; a session that was kept would keep it
        self._session = None
        self._stack.close()


# The holds of this process, by target and run: the command's own, and its stages'.
_holds: dict[tuple[str, str], TargetHold] = {}


@contextmanager
def holding_target(
    target: TargetConnector, run_id: str, *, is_one_process: bool = True
) -> Iterator[TargetHold]:
    """Yield the run's hold of the target, which whoever comes first within the block takes by ``ensure``.

    Within a block of the same run in this process it is that one's, and stays. ``is_one_process`` False: the
    run goes on in another process after the block.
    """
    key = (target.settings.masked_url, run_id)
    if key in _holds:
        yield _holds[key]
        return
    hold = _holds[key] = TargetHold(target, run_id)
    try:
        yield hold
    finally:
        del _holds[key]
        hold.release(for_next_process=not is_one_process)


def end_killed_runs_if_free(target: TargetConnector) -> None:
    """Record the end of runs that were killed, unless a run holds the target: then that one has done so.

    Raises TargetError.
    """
    with target.connect() as connection:
        if has_current_ledger(connection):
            with nobody_comes(connection) as is_free:
                if is_free:
                    end_killed_runs(connection, "")


def _build_refusal(target: TargetConnector, holder: Holder, waited_seconds: float) -> TargetHeld:
    return TargetHeld(
        target.settings.masked_url,
        found=f"{holder} holds it, and did so for the {waited_seconds:g} seconds that were waited",
        expected="one run at a time in one target",
        next_act=f"Wait for that run to end, then run again; {name_variable('run_wait')} says for how many "
        "seconds it is waited for",
    )


def _describe_limit(pace: waiting.SayPace, limit: float) -> str:
    return f"waited {pace.elapsed_seconds:.0f} of at most {limit:g} s"
