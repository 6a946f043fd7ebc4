"""Differences on disk: one Parquet file and one CSV per table, bounded, for tools and for people.

Parquet has every value as it is. The CSV is for spreadsheets: a byte order mark for umlauts, quotes around
every text, the word NULL for NULL. A text that a spreadsheet would take for a formula gets an apostrophe in
front, as OWASP's rule on CSV injection has it; so do the text NULL and a text that begins with an apostrophe,
so that every text is what it was without the first one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from blb_migration.checks import Difference
from blb_migration.errors import ConfigurationError
from blb_migration.private_files import build_file_name, make_private_folder, open_private
from blb_migration.without_pandas import keep_pandas_out

KEPT_DIFFERENCES = 1000
COLUMNS = ("kind", "key", "column", "source_value", "target_value")
_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
TABLE_KEY = b"table"  # in the Parquet file's metadata: its name may have to differ from the table's
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']|NULL\Z")  # the wide forms of = + - @ too
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def write_differences(folder: Path, label: str, differences: Sequence[Difference]) -> tuple[Path, Path]:
    """Write both files, replacing older ones; returns the CSV's and the Parquet's path.

    Raises ConfigurationError when the folder cannot be written.
    """
    stem = build_file_name(label)
    csv_path, parquet_path = folder / f"{stem}.csv", folder / f"{stem}.parquet"
    keep_pandas_out()
    records = [[getattr(difference, name) for name in COLUMNS] for difference in differences]
    try:
        make_private_folder(folder)
        with open_private(csv_path, encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(COLUMNS)
            writer.writerows([write_cell(value) for value in record] for record in records)
        columns = list(zip(*records, strict=True)) or [()] * len(COLUMNS)
        arrays = [pa.array(column, pa.string()) for column in columns]
        table = pa.Table.from_arrays(arrays, schema=_SCHEMA.with_metadata({TABLE_KEY: label.encode()}))
        with open_private(parquet_path, "wb") as file:
            pq.write_table(table, file)
    except OSError as error:
        raise ConfigurationError(
            str(folder),
            found=f"differences cannot be written there ({error.strerror})",
            next_act="Name a writable folder in BLB_DIFFERENCES",
        ) from None
    return csv_path, parquet_path


def write_cell(value: str | None) -> str:
    """Write a value so that a spreadsheet shows it and runs nothing; numbers stay numbers."""
    if value is None:
        return "NULL"
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value
