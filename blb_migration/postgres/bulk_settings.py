"""Server settings for one transaction of heavy work: what the server reveals, and what follows from it.

More memory and parallel workers for building indexes and for proving foreign keys, and compressed index
pages in the WAL. All of it is set for the open transaction only (as SET LOCAL does), so nothing outlives
it, whether it ends well or not, and on a session that is kept or pooled too. What the server's owner has
chosen is kept: memory is never lowered, and a number of workers that someone set stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blb_migration.postgres.connect import server_version
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

# plan_create_index_workers() asks for fewer workers until each participant, the leader included, has this:
# https://github.com/postgres/postgres/blob/master/src/backend/optimizer/plan/planner.c
PARTICIPANT_BYTES = 32 << 20
MOST_WORKERS = 4  # a table of 200 MB gets no more anyway: each further one takes three times the size
LARGEST_BYTES = 1 << 30  # beyond what fits the processor's caches, more memory hardly makes a sort faster
_SHARE_OF_MEMORY = 8  # one part in so many of what the server seems to have
_SHARED_BUFFERS_OF_MEMORY = 4  # shared_buffers is a quarter of the memory on a server that was tuned
_PARAMETER_RIGHTS_SINCE = 150000  # has_parameter_privilege(), and lz4 for the WAL

_CAPACITY = """
SELECT name, CASE WHEN unit IS NOT NULL THEN pg_size_bytes(current_setting(name))::text ELSE setting END,
       source = 'default', coalesce('lz4' = ANY (enumvals), false)
FROM pg_catalog.pg_settings
WHERE name IN ('maintenance_work_mem', 'shared_buffers', 'effective_cache_size', 'max_worker_processes',
               'max_parallel_workers', 'max_parallel_maintenance_workers', 'wal_level', 'wal_compression')
"""


@dataclass(frozen=True)
class ServerCapacity:
    """What a server says about itself, in bytes and processes; None is what it does not say.

    ``chosen_workers`` is max_parallel_maintenance_workers where someone set it, and
    ``effective_cache_bytes`` likewise: their defaults say nothing about the machine.
    ``can_compress_wal`` means that it would help, is possible with lz4, and ours to set.
    """

    maintenance_bytes: int
    shared_buffers_bytes: int = 0
    effective_cache_bytes: int | None = None
    worker_count: int = 0
    chosen_workers: int | None = None
    can_compress_wal: bool = False


@dataclass(frozen=True)
class BulkSettings:
    """Names and values, as ``set_config`` takes them; only those that differ from what is in force."""

    values: tuple[tuple[str, str], ...] = ()


def read_bulk_settings(connection: TargetConnection, *, sessions_at_once: int = 1) -> BulkSettings:
    """Return what suits this server while ``sessions_at_once`` sessions do such work. Raises TargetError."""
    with target_errors("the target's settings"):
        rows = connection.execute(_CAPACITY).fetchall()
        settings = {name: _Setting(*facts) for name, *facts in rows}
        is_ours = _is_ours_to_set(connection, "wal_compression", settings)
    return derive_bulk_settings(_build_capacity(settings, is_ours), sessions_at_once)


def apply_bulk_settings(connection: TargetConnection, settings: BulkSettings) -> None:
    """Put the settings in force until the open transaction ends. Raises TargetError."""
    if settings.values:
        names, values = zip(*settings.values, strict=True)
        with target_errors("the target's settings"):
            connection.execute(
                "SELECT set_config(name, value, true)"
                " FROM unnest(%s::text[], %s::text[]) wanted (name, value)",
                (list(names), list(values)),
            )


def derive_bulk_settings(capacity: ServerCapacity, sessions_at_once: int = 1) -> BulkSettings:
    """Memory and workers for each of ``sessions_at_once`` sessions."""
    workers = capacity.chosen_workers
    values = []
    if workers is None:
        # Half of the pool: the application, if it reads already, has the other.
        workers = min(MOST_WORKERS, capacity.worker_count // (2 * sessions_at_once))
        values.append(("max_parallel_maintenance_workers", str(workers)))
    memory = max(
        capacity.shared_buffers_bytes * _SHARED_BUFFERS_OF_MEMORY, capacity.effective_cache_bytes or 0
    )
    maintenance_bytes = max(
        (workers + 1) * PARTICIPANT_BYTES, min(LARGEST_BYTES, memory // _SHARE_OF_MEMORY // sessions_at_once)
    )
    if maintenance_bytes > capacity.maintenance_bytes:
        values.append(("maintenance_work_mem", f"{maintenance_bytes >> 10}kB"))
    if capacity.can_compress_wal:
        values.append(("wal_compression", "lz4"))
    return BulkSettings(tuple(values))


@dataclass(frozen=True)
class _Setting:
    value: str
    is_default: bool
    knows_lz4: bool


def _build_capacity(settings: Mapping[str, _Setting], is_wal_compression_ours: bool) -> ServerCapacity:
    def read_number(name: str) -> int:
        return int(settings[name].value) if name in settings else 0

    cache, workers = settings.get("effective_cache_size"), settings.get("max_parallel_maintenance_workers")
    return ServerCapacity(
        maintenance_bytes=read_number("maintenance_work_mem"),
        shared_buffers_bytes=read_number("shared_buffers"),
        effective_cache_bytes=None if cache is None or cache.is_default else int(cache.value),
        worker_count=min(read_number("max_worker_processes"), read_number("max_parallel_workers")),
        # A server that lacks the setting builds as it likes.
        chosen_workers=0 if workers is None else None if workers.is_default else int(workers.value),
        can_compress_wal=is_wal_compression_ours,
    )


def _is_ours_to_set(connection: TargetConnection, name: str, settings: Mapping[str, _Setting]) -> bool:
    """Whether lz4 would help and the role may ask for it: asking without the right ends the transaction."""
    compression, level = settings.get(name), settings.get("wal_level")
    if compression is None or compression.value != "off" or not compression.knows_lz4:
        return False
    if level is None or level.value == "minimal":  # the load writes next to no WAL
        return False
    if server_version(connection) < _PARAMETER_RIGHTS_SINCE:
        return False
    row = connection.execute("SELECT has_parameter_privilege(%s, 'SET')", (name,)).fetchone()
    return bool(row and row[0])
