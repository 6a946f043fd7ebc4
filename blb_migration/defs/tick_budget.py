"""A sensor's tick is over in time: Dagster breaks one off after 60 seconds, and forgets what it has found.

What asks a database has a budget. After it the statements are cancelled at their servers and the tick goes on
without an answer; what no server cancels stays behind in a thread of its own, which harms nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Generic, TypeVar

from blb_migration.cancellation import POLL_SECONDS, Cancellation, Interrupted
from blb_migration.defs.resource import MigrationResource, build_keeping_connect
from blb_migration.errors import MigrationError

# Dagster gives a tick 60 seconds (DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS).
ASKING_SECONDS = 20.0
CANCELLING_SECONDS = 5.0
TELLING_SECONDS = 20.0

Result = TypeVar("Result")


class TickOverdue(MigrationError):
    """The databases did not answer in a tick's time; the next tick asks again."""

    is_transient = True


def ask_in_time(
    resource: MigrationResource,
    work: Callable[[MigrationResource], Result],
    seconds: float | None = None,
) -> Result:
    """Return the result of ``work``, which is given a resource whose sessions end after so many seconds
    (None: ``ASKING_SECONDS``).

    Raises what ``work`` raises, and TickOverdue after that time.
    """
    seconds = ASKING_SECONDS if seconds is None else seconds
    cancellation = Cancellation()

    def run() -> Result:
        with ExitStack() as stack:
            connect = build_keeping_connect(resource.connect, stack, cancellation)
            return work(replace(resource, connect=connect))

    apart = Apart(run)
    if not apart.wait(seconds):
        deadline = time.monotonic() + CANCELLING_SECONDS
        cancellation.ask()
        while not apart.wait(POLL_SECONDS) and time.monotonic() < deadline:
            cancellation.break_off()
    if not apart.is_over or isinstance(apart.error, Interrupted):
        raise TickOverdue(
            f"the databases of {resource.environment}",
            found=f"they did not answer within {seconds:g} seconds",
            expected="an answer within one tick of the sensor",
            next_act="The next tick asks again; look at what these servers are busy with, or locked by",
        )
    return apart.get()


class Apart(Generic[Result]):
    """Work in a thread of its own, which does not keep the process."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self.error: BaseException | None = None
        self._results: list[Result] = []
        self._work = work
        self._over = threading.Event()
        threading.Thread(target=self._run, name="blb-tick", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether there is a result or an error."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether it is over."""
        return self._over.wait(seconds)

    def get(self) -> Result:
        """Return the result of work that is over, or raise its error."""
        if self.error is not None:
            raise self.error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.error = error
        finally:
            self._over.set()
