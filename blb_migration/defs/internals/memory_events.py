"""Dagster's event records in memory, asked by several threads at once.

Until 1.13 its connections share one SQLite cache without a lock: a thread that reads while another one writes
gets "database table is locked", and its step fails before it has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster import DagsterInstance
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage

_ = InMemoryEventLogStorage._connect


def take_turns(instance: DagsterInstance) -> None:
    """Let one thread at a time use the events of ``instance``, if they are in memory and have no lock."""
    storage: Any = instance.event_log_storage
    if not issubclass(type(storage), InMemoryEventLogStorage) or hasattr(storage, "_db_lock"):
        return
    connect, lock = storage._connect, threading.RLock()

    @contextmanager
    def connect_in_turn() -> Iterator[Any]:
        with lock, connect() as connection:
            yield connection

    storage._connect = connect_in_turn
