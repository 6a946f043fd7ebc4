"""The stand-in in a process of its own, so that it shares neither a lock nor a heap with what is measured.

``python -m blb_migration_tests.benchmarks.source_process`` reads one JSON document from standard input
(``{"tables": [[shape, rows], ...], "erp_scale": n or null}``), fills the stand-in, prints one JSON line
with its URLs, and serves until standard input ends.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from blb_migration.sandbox.erp import SOURCE_DATABASE, create_source
from blb_migration.sandbox.server import SqlServerStandIn
from blb_migration.sandbox.tsql import TsqlEngine
from blb_migration_tests.benchmarks.shapes import SHAPES

DATABASE = "BENCHMARK"
_REPLAY_LIMIT_BYTES = 16 * 1024**3
_LOG_IN = "sa"


def main() -> None:
    """Serve until standard input ends."""
    order = json.loads(sys.stdin.readline())
    password = secrets.token_hex(12)  # pgloader does not take every character in a URL
    with TemporaryDirectory(prefix="blb-benchmark-") as folder:
        engine = TsqlEngine(Path(folder), memory_limit="1GB")
        engine.add_login(_LOG_IN, password)
        database = engine.create_database(DATABASE)
        for name, row_count in order["tables"]:
            shape = SHAPES[name]
            table = shape.table(row_count)
            database.create_table(table)
            database.load(table.name, shape.iterate_batches(row_count))
        if order["erp_scale"] is not None:
            create_source(engine, order["erp_scale"])
        with SqlServerStandIn(engine, replay_limit_bytes=_REPLAY_LIMIT_BYTES) as server:
            urls = {name: server.url(name, _LOG_IN, password) for name in (DATABASE, SOURCE_DATABASE)}
            sys.stdout.write(json.dumps(urls) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
        engine.close()


if __name__ == "__main__":
    main()
