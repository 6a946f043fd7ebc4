"""Results kept as encoded, so that reading one again costs no encoding and no query.

A recording is what follows a result's first token up to its last row; packets are cut anew at every
reading. Small ones stay in memory; large ones are files in a directory of the server's and go with it.
The least recently read make room.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

# What most questions get as an answer: for so little, a file would cost more than the query.
_LARGEST_IN_MEMORY = 16 * 1024


@dataclass
class Replay:
    """A complete recording. ``slice_lengths`` are bytes between which the stream may be stopped; the bytes
    are in ``content``, or in the file when that is None."""

    path: Path
    content: bytes | None
    row_count: int
    slice_lengths: list[int]
    byte_count: int
    reader_count: int = field(default=0)


class ReplayStore:
    """All recordings, within ``byte_limit``; shared by all connections."""

    def __init__(self, directory: Path, byte_limit: int) -> None:
        self._directory = directory
        self._byte_limit = byte_limit
        self._lock = threading.Lock()
        self._replays: OrderedDict[str, Replay] = OrderedDict()
        self._recording_keys: set[str] = set()
        self._used_bytes = 0
        self._file_number = 0

    def has(self, key: str) -> bool:
        """Whether there is a complete recording."""
        with self._lock:
            return key in self._replays

    def read(self, key: str) -> tuple[int, Iterator[bytes]] | None:
        """Row count and slices of a recording, or None when there is none yet."""
        with self._lock:
            replay = self._replays.get(key)
            if replay is None:
                return None
            replay.reader_count += 1
            self._replays.move_to_end(key)
        return replay.row_count, self._read_slices(replay)

    def start(self, key: str) -> Recording | None:
        """Return a recording to fill, or None when another connection is at it."""
        with self._lock:
            if key in self._recording_keys or key in self._replays:
                return None
            self._recording_keys.add(key)
            self._file_number += 1
            path = self._directory / f"{self._file_number}.rows"
        return Recording(self, key, path)

    def has_room(self, byte_count: int) -> bool:
        """Whether a recording of this size could be kept at all."""
        return byte_count <= self._byte_limit

    def keep(self, key: str, replay: Replay) -> None:
        """Make a finished recording readable, dropping the least recently read ones to make room."""
        with self._lock:
            self._recording_keys.discard(key)
            for old_key, old in list(self._replays.items()):
                if self._used_bytes + replay.byte_count <= self._byte_limit:
                    break
                if old.reader_count == 0:
                    del self._replays[old_key]
                    self._used_bytes -= old.byte_count
                    if old.content is None:
                        old.path.unlink()
            self._replays[key] = replay
            self._used_bytes += replay.byte_count

    def give_up(self, key: str) -> None:
        """Note that a recording ended early; another result may try."""
        with self._lock:
            self._recording_keys.discard(key)

    def _read_slices(self, replay: Replay) -> Iterator[bytes]:
        try:
            with io.BytesIO(replay.content) if replay.content is not None else _open(replay.path) as file:
                for length in replay.slice_lengths:
                    yield file.read(length)
        finally:
            with self._lock:
                replay.reader_count -= 1


class Recording:
    """One result being written down while it is sent."""

    def __init__(self, store: ReplayStore, key: str, path: Path) -> None:
        self._store = store
        self._key = key
        self._path = path
        self._content = bytearray()
        self._file: BinaryIO | None = None
        self._is_open = True
        self._slice_lengths: list[int] = []
        self._byte_count = 0

    def write(self, part: bytes | memoryview) -> None:
        """Add a slice; a recording that grows too large is given up, silently."""
        if not self._is_open:
            return
        self._slice_lengths.append(len(part))
        self._byte_count += len(part)
        if not self._store.has_room(self._byte_count):
            self.discard()
            return
        if self._file is None and self._byte_count > _LARGEST_IN_MEMORY:
            self._file = self._path.open("wb")
            self._file.write(self._content)
            self._content.clear()
        if self._file is None:
            self._content += part
        else:
            self._file.write(part)

    def keep(self, row_count: int) -> None:
        """Keep the recording of a result that is complete."""
        if not self._is_open:
            return
        self._is_open = False
        content = bytes(self._content) if self._file is None else None
        if self._file is not None:
            self._file.close()
        replay = Replay(self._path, content, row_count, self._slice_lengths, self._byte_count)
        self._store.keep(self._key, replay)

    def discard(self) -> None:
        """Discard the recording of a result that failed, was cancelled or is too large, unless it is kept."""
        if not self._is_open:
            return
        self._is_open = False
        if self._file is not None:
            self._file.close()
            self._path.unlink()
        self._store.give_up(self._key)


def _open(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)
