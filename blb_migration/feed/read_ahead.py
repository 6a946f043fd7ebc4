"""Reading ahead: one thread fetches batches while another converts and writes the ones before.

Bounded: only so many batches wait, so memory is a few batches whatever the table's size.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")

DEPTH = 2
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def read_ahead(
    open_batches: Callable[[], AbstractContextManager[Iterator[Item]]],
) -> Generator[Item, None, None]:
    """Yield the items of ``open_batches``, which is entered, drained and left in a thread of its own.

    An error of the reading thread is raised here, after the batches before it. Closing this iterator
    early stops the reading and waits for the thread.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=DEPTH)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            with open_batches() as batches:
                for batch in batches:
                    if not put(batch):
                        return
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that asked
            put(_End(error))
        else:
            put(_End())

    reader = threading.Thread(target=read, name="blb-read-ahead", daemon=True)
    reader.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        reader.join()
