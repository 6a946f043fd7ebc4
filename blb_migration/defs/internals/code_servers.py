"""The code servers that Dagster's daemon starts, kept as long as nothing has changed.

Once a minute the daemon forgets its code server and starts a new one, to see what its code says now. Of this
project that is eight processor seconds a minute, day and night, and in the middle of a run. Here it forgets
those that no longer answer, those that could not load, and after a change all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dagster._api.list_repositories import sync_list_repositories_grpc
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._daemon.controller import DagsterDaemonController
from dagster._grpc.server import GrpcServerProcess

from blb_migration.defs.internals.requirements import require

require(GrpcServerRegistry.clear_all_grpc_endpoints, 1)
require(DagsterDaemonController.check_workspace_freshness, 2)
require(GrpcServerProcess.create_client, 1)
require(sync_list_repositories_grpc, 1)


def keep_code_servers(watch: Callable[[], Callable[[], bool]]) -> None:
    """Have the registries of this process keep their code servers where Dagster would forget all of them.

    ``watch`` returns what tells whether a server that starts after it was called is still up to date.
    """
    is_unchanged = watch()

    def forget_outdated(registry: Any) -> None:
        nonlocal is_unchanged
        entries: dict[str, Any] = registry._active_entries
        if is_unchanged():
            outdated = [name for name, entry in list(entries.items()) if not _has_loaded(entry)]
        else:
            is_unchanged = watch()  # before the new servers read
            outdated = list(entries)
        with registry._lock:
            for name in outdated:
                entries.pop(name, None)

    GrpcServerRegistry.clear_all_grpc_endpoints = forget_outdated  # type: ignore[method-assign]


def _has_loaded(entry: Any) -> bool:
    """Whether it is a server, not an error, and says within Dagster's own limit what it has loaded."""
    if not isinstance(entry, ServerRegistryEntry):
        return False
    server: Any = entry.process
    try:
        sync_list_repositories_grpc(server.create_client())
    except (DagsterUserCodeProcessError, DagsterUserCodeUnreachableError):
        return False
    return True
