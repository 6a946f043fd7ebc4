"""pandas is installed, and costs nothing where nobody asked for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from blb_migration_tests.cli.servers import Shop

_IMPORT = re.compile(r"^\s*(import|from) pandas\b", re.MULTILINE)
_COMMAND = """
import json, sys
from blb_migration.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, "pandas" in sys.modules]), file=sys.stderr)
"""
_ARROW = """
import json, sys
from blb_migration.without_pandas import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
table = pa.table({"id": [1, 2], "name": ["a", None]})
before = "pandas" in sys.modules
frame = table.to_pandas()
series = pa.array(frame["id"])
print(json.dumps([before, type(frame).__module__.partition(".")[0], list(frame["id"]), series.to_pylist()]))
"""
_ARROW_ALONE = "import pyarrow as pa, sys; pa.array([1]); print('pandas' in sys.modules)"
_PANDAS_FIRST = """
import pandas as pd
from blb_migration.without_pandas import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
print(pa.array(pd.Series(["x", None], dtype="category")).type)
"""


def run(
    program: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_whole_migration_with_a_difference_found_imports_no_pandas(shop: Shop, tmp_path: Path) -> None:
    """Load, every check, the files of differing rows, the report: as the command runs them."""
    environment = {"BLB_SOURCE_CONN": shop.source_url, "BLB_TARGET_CONN": shop.target_url}
    environment |= {"BLB_PROJECT": str(shop.folder), "BLB_DIFFERENCES": str(tmp_path), "DAGSTER_HOME": ""}
    output = str(shop.report_path)
    migrated = run(_COMMAND, "--output", output, environment=environment)
    assert json.loads(migrated.stderr.splitlines()[-1]) == [0, False]
    shop.target("UPDATE articles SET name = 'x' WHERE id = 1")
    compared = run(_COMMAND, "reconcile", "--tables", "articles", "--output", output, environment=environment)
    assert json.loads(compared.stderr.splitlines()[-1]) == [1, False]
    assert list(tmp_path.rglob("articles.parquet"))


def test_arrow_finds_pandas_again_when_somebody_asks_for_a_frame() -> None:
    assert run(_ARROW_ALONE).stdout.strip() == "True"  # else there is nothing to keep out
    assert json.loads(run(_ARROW).stdout) == [False, "pandas", [1, 2], [1, 2]]


def test_a_notebook_that_has_pandas_keeps_it() -> None:
    assert run(_PANDAS_FIRST).stdout.startswith("dictionary<values=")


def test_frames_is_the_one_module_that_imports_pandas() -> None:
    import blb_migration

    package = Path(blb_migration.__file__).parent
    importing = [path.name for path in package.rglob("*.py") if _IMPORT.search(path.read_text("utf-8"))]
    assert importing == ["frames.py"]
