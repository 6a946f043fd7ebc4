"""The emulator in a process of its own, so that it shares neither a lock nor a heap with what is measured.

``python -m blb_migration_tests.benchmarks.source_process`` reads one JSON document from standard input
(``{"tables": [[shape, rows], ...], "erp_scale": n or null}``; ``small_tables`` for so many of them, ``host``
where it is not loopback), fills the emulator, prints one JSON line with its URLs, and serves until standard
input ends. Every further line is a ``Link`` to put in force (``{"latency_seconds": 0.01, "bytes_per_second":
2e7}``), answered by one line once it is.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.link import Link
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import SOURCE_DATABASE, create_source
from blb_migration_tests.benchmarks.shapes import SHAPES, build_small_rows, build_small_tables

DATABASE = "BENCHMARK"
_REPLAY_LIMIT_BYTES = 16 * 1024**3
_LOG_IN = "sa"


def main() -> None:
    """Serve until standard input ends."""
    order = json.loads(sys.stdin.readline())
    password = secrets.token_hex(12)  # pgloader does not take every character in a URL
    with TemporaryDirectory(prefix="blb-benchmark-") as folder:
        engine = TsqlEngine(Path(folder), memory_limit="4GB")
        engine.add_login(_LOG_IN, password)
        database = engine.create_database(DATABASE)
        for name, row_count in order["tables"]:
            shape = SHAPES[name]
            table = shape.table(row_count)
            database.create_table(table)
            database.load(table.name, shape.iterate_batches(row_count))
        for table in build_small_tables(order.get("small_tables", 0)):
            database.create_table(table)
            database.load(table.name, build_small_rows())
        if order["erp_scale"] is not None:
            create_source(engine, order["erp_scale"])
        server = SqlServerEmulator(
            engine, replay_limit_bytes=_REPLAY_LIMIT_BYTES, has_clients_in_process=False
        )
        server.host = order.get("host", server.host)
        with server:
            urls = {name: server.url(name, _LOG_IN, password) for name in (DATABASE, SOURCE_DATABASE)}
            _answer(urls)
            while line := sys.stdin.readline():
                server.link = Link(**json.loads(line))
                _answer("done")
        engine.close()


def _answer(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
