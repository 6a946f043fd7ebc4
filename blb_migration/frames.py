"""The ledger and the differing cells, as pandas data frames: for notebooks. Only reading.

::

    from blb_migration import frames
    frames.read_tables()                            # what speaks against each table
    frames.read_differences(".blb/differences")     # the cells that differ

The target is ``BLB_TARGET_CONN`` unless a URL is given; SELECT on the schema ``blb_migration`` is enough.
The one module that imports pandas: nothing else imports it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from blb_migration.compare.difference_files import COLUMNS, TABLE_KEY
from blb_migration.errors import ConfigurationError
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.failures import target_errors
from blb_migration.settings import read_target_settings

_RUNS = "SELECT * FROM blb_migration.runs ORDER BY started_at, run_id"
_LOADS = "SELECT * FROM blb_migration.table_loads ORDER BY load_id"
# Those of old runs are packed; without any, json_agg has left a JSON null.
_CHECKS = """
SELECT * FROM blb_migration.check_results
UNION ALL
SELECT unpacked.* FROM blb_migration.packed_runs AS packed
CROSS JOIN LATERAL json_populate_recordset(
    NULL::blb_migration.check_results,
    CASE json_typeof(packed.particulars -> 'check_results')
        WHEN 'array' THEN packed.particulars -> 'check_results' ELSE '[]' END
) AS unpacked
ORDER BY check_id
"""
_TABLES = "SELECT * FROM blb_migration.table_status ORDER BY position"


def read_runs(target_url: str | None = None) -> pd.DataFrame:
    """Every run of the ledger, oldest first: kind, outcome, times, who, which source."""
    return _read(_RUNS, target_url)


def read_loads(target_url: str | None = None) -> pd.DataFrame:
    """Every attempt to load a table, oldest first: rows, bytes, seconds, or why it failed.

    What the source marker said then stands beside the newer ones alone; of old runs ``packed_runs`` has it.
    """
    return _read(_LOADS, target_url)


def read_checks(target_url: str | None = None) -> pd.DataFrame:
    """Every check of a table, oldest first, of old runs too; ``details`` has what was compared."""
    return _read(_CHECKS, target_url)


def read_tables(target_url: str | None = None) -> pd.DataFrame:
    """Read the plan's tables in load order, each equal or with what speaks against it."""
    return _read(_TABLES, target_url)


def read_differences(folder: str | Path = ".blb/differences") -> pd.DataFrame:
    """Read the differing cells of all runs below ``folder``: ``run``, ``table`` and the columns of the files.

    NULL is missing, an empty text is ''. Raises ConfigurationError where the folder is not there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigurationError(
            str(folder),
            found="is not a folder",
            expected="the folder of BLB_DIFFERENCES, .blb/differences if that was not set",
            next_act="Name it; where nothing differed, there is none",
        )
    frames = []
    for path in sorted(folder.rglob("*.parquet")):
        table = pq.read_table(path)
        label = (table.schema.metadata or {}).get(TABLE_KEY, path.stem.encode()).decode()
        frame = table.to_pandas()
        frame.insert(0, "run", path.parent.name)
        frame.insert(1, "table", label)
        frames.append(frame)
    return (
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["run", "table", *COLUMNS])
    )


def _read(statement: str, target_url: str | None) -> pd.DataFrame:
    connector = TargetConnector(read_target_settings(target_url))
    with connector.connect() as connection, target_errors("the target's ledger"):
        cursor = connection.execute(statement.encode())
        names = [column.name for column in cursor.description or ()]
        frame = pd.DataFrame(cursor.fetchall(), columns=names)
    return frame.convert_dtypes()  # whole numbers stay whole beside NULLs
