"""Who looks after steps that are on their way: whether anybody serves their queue, and who has them.

Celery's client waits for a result for ever, whatever became of the worker. The run looks itself: a step that
a worker has begun must be heard of (``Heartbeat``), one that nobody has begun must be in a queue that is
served, or in the hands of a worker (``QueueWatch``). Knows no Dagster.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from blb_migration.defs.celery_queues import QUEUES

BEAT_SECONDS = 2.0
# Ten beats: a busy machine may miss some. The server has ended the sessions of a machine that was cut off by
# then, so that a second try meets no lock of the first.
LOST_AFTER_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_LOOKS_WITHOUT_TRACE = 2


class Heartbeat:
    """What is heard of one step's worker: a number that grows. By this process's clock alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: object = None
        self._heard_at = clock()

    def hear(self, beat: object) -> None:
        """Take what the worker has said last; it counts where it differs from what it said before."""
        if beat != self._last:
            self._last = beat
            self._heard_at = self._clock()

    @property
    def silent_seconds(self) -> float:
        """Since anything new was heard."""
        return self._clock() - self._heard_at


@dataclass(frozen=True)
class _Look:
    """What one look at broker and workers has found; ``began_at`` by the monotonic clock."""

    began_at: float
    served: frozenset[str]
    waiting: dict[str, int] = field(default_factory=dict)
    in_hand: frozenset[str] = frozenset()


class QueueWatch:
    """Looks at the queues every few seconds while somebody asks; its answers are of the last looks."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._looks: list[_Look] = []
        self._served_at = dict.fromkeys(QUEUES, time.monotonic())
        self._is_wanted = threading.Event()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="blb-queue-watch", daemon=True)

    def __enter__(self) -> QueueWatch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._has_ended.set()
        self._is_wanted.set()
        self._thread.join(_ANSWER_SECONDS)

    def ask(self) -> None:
        """Look once more, soon."""
        self._is_wanted.set()

    def measure_unserved_seconds(self, queue: str) -> float:
        """Measure for how long no worker has been serving ``queue``, as of the last look; 0 before any."""
        if not self._looks or queue in self._looks[-1].served:
            return 0.0
        return self._looks[-1].began_at - self._served_at[queue]

    def has_lost_trace(self, queue: str, task_id: str, since: float) -> bool:
        """Whether the step is neither in its queue nor with any worker, in all of the last looks.

        ``since``: when it was submitted; earlier looks do not count.
        """
        looks = [look for look in self._looks if look.began_at > since]
        return len(looks) >= _LOOKS_WITHOUT_TRACE and all(
            look.waiting.get(queue) == 0 and queue in look.served and task_id not in look.in_hand
            for look in looks[-_LOOKS_WITHOUT_TRACE:]
        )

    def _work(self) -> None:
        while not self._has_ended.is_set():
            self._is_wanted.wait()
            self._is_wanted.clear()
            if self._has_ended.is_set():
                return
            with contextlib.suppress(Exception):  # no broker now: whoever submits and reads says that
                look = self._look()
                self._served_at |= dict.fromkeys(look.served, look.began_at)
                self._looks = [*self._looks[-_LOOKS_WITHOUT_TRACE:], look]
            self._has_ended.wait(_LOOK_EVERY_SECONDS)

    def _look(self) -> _Look:
        began_at = time.monotonic()
        waiting = self._count_waiting()
        workers = self._application.control.inspect(timeout=_ANSWER_SECONDS)
        queues = workers.active_queues() or {}
        tasks = [*(workers.active() or {}).values(), *(workers.reserved() or {}).values()]
        return _Look(
            began_at,
            frozenset(queue["name"] for served in queues.values() for queue in served),
            waiting,
            frozenset(task["id"] for of_worker in tasks for task in of_worker),
        )

    def _count_waiting(self) -> dict[str, int]:
        waiting = {}
        with self._application.connection_for_read() as connection:
            for queue in QUEUES:
                waiting[queue] = 0  # Redis knows no queue that is empty
                with contextlib.suppress(*connection.channel_errors), connection.channel() as channel:
                    waiting[queue] = channel.queue_declare(queue, passive=True).message_count
        return waiting
