"""Differences on disk: one Parquet file and one CSV per table, bounded, for tools and for people.

Parquet keeps NULL and an empty text apart. The CSV writes NULL as the word NULL, has a byte order mark so
that spreadsheets show umlauts, and quotes every text so that trailing blanks can be seen.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from blb_migration.compare.cells import Difference
from blb_migration.errors import ConfigurationError
from blb_migration.without_pandas import keep_pandas_out

KEPT_DIFFERENCES = 1000
COLUMNS = ("kind", "key", "column", "source_value", "target_value")
_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
TABLE_KEY = b"table"  # in the Parquet file's metadata: its name may have to differ from the table's
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def write_differences(folder: Path, label: str, differences: Sequence[Difference]) -> tuple[Path, Path]:
    """Write both files, replacing older ones; returns the CSV's and the Parquet's path.

    Raises ConfigurationError when the folder cannot be written.
    """
    stem = _build_file_name(label)
    csv_path, parquet_path = folder / f"{stem}.csv", folder / f"{stem}.parquet"
    keep_pandas_out()
    records = [[getattr(difference, name) for name in COLUMNS] for difference in differences]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with csv_path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(COLUMNS)
            writer.writerows(["NULL" if value is None else value for value in record] for record in records)
        columns = list(zip(*records, strict=True)) or [()] * len(COLUMNS)
        arrays = [pa.array(column, pa.string()) for column in columns]
        table = pa.Table.from_arrays(arrays, schema=_SCHEMA.with_metadata({TABLE_KEY: label.encode()}))
        pq.write_table(table, parquet_path)
    except OSError as error:
        raise ConfigurationError(
            str(folder),
            found=f"differences cannot be written there ({error.strerror})",
            next_act="Name a writable folder in BLB_DIFFERENCES",
        ) from None
    return csv_path, parquet_path


def _build_file_name(label: str) -> str:
    """Return the label, with a digest of it where a file system might not take it as it is."""
    safe = _UNSAFE.sub("_", label)
    if safe == label and len(label) <= 100:
        return label
    return f"{safe[:80]}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
