"""The rules of the house that no linter knows: names, sizes, charters."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[1]
PRODUCT = TOP / "blb_migration"
LONGEST_MODULE_LINES = 400
# What both engines have is named alike on either side.
ENGINES = (PRODUCT / "sqlserver", PRODUCT / "postgres")


def iterate_modules() -> Iterator[Path]:
    for path in sorted(PRODUCT.rglob("*.py")):
        if path.name not in ("__init__.py", "__main__.py"):
            yield path


def test_no_file_name_stands_twice_but_for_the_same_concept_of_the_other_engine() -> None:
    folders = defaultdict(set)
    for path in iterate_modules():
        folders[path.name].add(path.parent)
    twice = {name: found for name, found in folders.items() if len(found) > 1 and found != set(ENGINES)}
    assert twice == {}


def test_no_module_is_longer_than_a_reader_follows() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in iterate_modules()}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE_LINES} == {}


def test_every_module_and_room_opens_with_its_charter() -> None:
    silent = [
        path
        for path in PRODUCT.rglob("*.py")
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []
