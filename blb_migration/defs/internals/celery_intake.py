"""A worker takes a step's message when it can begin the step, and is done with the message as soon as it has.

Brokers take back what is not acknowledged in time: RabbitMQ after 30 minutes (``consumer_timeout``), Redis
after an hour. A step may take a night. So a message is acknowledged when its step begins, and from there on
the run itself watches over the step (``defs/celery_watch.py``). Left alone, Celery would then take the next
message and keep it unacknowledged behind the step, away from workers that are free; so it takes none while
all its processes are busy. Stands on Celery's bootsteps, and on the turns of its event loop.
"""

from __future__ import annotations

from typing import Any

from celery.bootsteps import StartStopStep
from celery.worker.consumer.tasks import Tasks
from celery.worker.loops import asynloop
from celery.worker.state import active_requests, reserved_requests

from blb_migration.defs.internals.requirements import require

require(asynloop, 8, "hbrate")  # the sixth is what Intake stands for


class Intake:
    """Whether messages are taken, in the place of Celery's prefetch count.

    The event loop compares ``prev`` with ``value`` at every turn, and calls ``update`` where they differ: so
    after a message has come, and before it is acknowledged.
    """

    def __init__(self, pool: Any, task_consumer: Any) -> None:
        self.prev: bool | None = None
        self._pool = pool
        self._consume = task_consumer.consume
        self._cancel = task_consumer.cancel

    @property
    def value(self) -> bool:
        """Whether a process is free. Steps that went on while the broker was away are among the active."""
        busy = {*reserved_requests, *active_requests}
        return len(busy) < int(self._pool.num_processes)

    def update(self) -> None:
        """Begin to take messages, or cease."""
        is_taking = self.value
        (self._consume if is_taking else self._cancel)()
        self.prev = is_taking

    def increment_eventually(self, _count: int = 1) -> None:
        """Leave the count alone: ``value`` asks the pool itself."""

    decrement_eventually = increment_eventually


class TakeWhatCanBegin(StartStopStep):  # type: ignore[misc]
    """Puts an Intake between a worker and its broker, at every new connection."""

    requires = (Tasks,)

    def start(self, parent: Any) -> None:
        """Take one message at a time: the next one comes when this one is acknowledged."""
        counts_for_all_queues = not parent.connection.qos_semantics_matches_spec
        parent.task_consumer.qos(prefetch_count=1, apply_global=counts_for_all_queues)
        parent.qos = Intake(parent.pool, parent.task_consumer)
        parent.task_consumer.consume = parent.qos.update


def take_what_can_begin(application: Any) -> None:
    """Let the workers of ``application`` take only what they can begin."""
    application.steps["consumer"].add(TakeWhatCanBegin)
