"""A PostgreSQL that other machines reach, and as a process of its own on a machine of its own.

``python -m blb_migration_tests.benchmarks.target_process`` reads one JSON document from standard input
(``{"folder": …, "address": …, "databases": [name, …]}``), serves those databases at the address, prints one
JSON line with their URLs by name, and goes on until standard input ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from blb_migration.sandbox.embedded_postgres import HOST, EmbeddedPostgres
from blb_migration_tests.benchmarks.namespaces import NETWORK


@contextmanager
def serving_databases(folder: Path, address: str, *names: str) -> Iterator[dict[str, str]]:
    """Yield the URLs of new databases by their names, as the machines of the bridge reach them."""
    folder.mkdir()
    server = EmbeddedPostgres(folder)
    with server, psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET listen_addresses = '*'")
        connection.execute("ALTER SYSTEM SET max_connections = 200")
    with (folder / "data" / "pg_hba.conf").open("a", encoding="utf-8") as hba:
        hba.write(f"host all all {NETWORK} scram-sha-256\n")
    with server:
        yield {name: server.create_database(name).replace(HOST, address) for name in names}


def main() -> None:
    """Serve until standard input ends."""
    order = json.loads(sys.stdin.readline())
    with serving_databases(Path(order["folder"]), order["address"], *order["databases"]) as urls:
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
