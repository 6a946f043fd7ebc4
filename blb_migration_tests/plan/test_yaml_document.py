"""Files that would take the reader's memory, stack or evening are refused by file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blb_migration.cutover.cutover_file import CUTOVER_FILE, read_cutover_file, read_smoke_file
from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.plan.decisions_file import parse_decisions, read_decisions
from blb_migration.plan.yaml_document import MAX_CHARACTERS

BOMB = "project: a\na0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60)
)
HOSTILE = {
    "alias bomb": (BOMB, "aliases written out"),
    "recursion": ("project: a\ntables: &t {u: *t}\n", "line 2: .*an alias stands inside what it names"),
    "depth of lists": ("project: a\ntables: " + "[" * 300_000, "line 2: .*nested too deep"),
    "depth of keys": ("project: " + "{a: " * 300_000, "line 1: .*nested too deep"),
    "depth of lines": ("".join(f"{' ' * n}a:\n" for n in range(500)), "line 4.: .*nested too deep"),
    "NUL": ("project: a\n\nx: \0\n", "line 3: .*#x0000"),
    "ESC": ("project: a\nx: \x1b[2J\n", "line 2: .*#x001b"),
    "tag of a type": ("project: a\ntables: !!int x\n", "line 2: .*tag"),
    "tag that runs code": ("project: !!python/object/apply:os.system [id]\n", "line 1: .*tag"),
    "tag of a time": ("project: !!timestamp 99\n", "line 1: .*tag"),
    "huge": ("project: " + "a" * MAX_CHARACTERS, "characters"),
    "two documents": ("project: a\n---\nproject: b\n", "line 2"),
}  # fmt: skip


def read_decisions_file(folder: Path, text: str) -> None:
    path = folder / "decisions.yaml"
    path.write_text(text, encoding="utf-8")
    read_decisions(path)


def read_night(folder: Path, text: str) -> None:
    (folder / CUTOVER_FILE).write_text(text, encoding="utf-8")
    read_cutover_file(folder, {})


def read_smoke(folder: Path, text: str) -> None:
    path = folder / "smoke.yaml"
    path.write_text(text, encoding="utf-8")
    read_smoke_file(path, {})


@pytest.mark.parametrize("read", [read_decisions_file, read_night, read_smoke])
@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_by_file_and_line(read: Callable[[Path, str], None], name: str, tmp_path: Path) -> None:
    text, message = HOSTILE[name]
    with pytest.raises(ConfigurationError, match=message) as refused:
        read(tmp_path, text)
    assert refused.value.exit_code == ExitCode.BAD_USAGE
    assert str(tmp_path) in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_aliases_that_a_person_writes_are_read() -> None:
    text = "project: a\ntables:\n  x: {skip: &why not needed}\n  y: {skip: *why}\n"
    tables = parse_decisions(text, "f").decisions.tables
    assert (tables["x"].skip, tables["y"].skip) == ("not needed", "not needed")


PASTED = """project: shop
tables: {t: {columns: {a: {on_too_long: truncate, reason: WHY}}}}
tables:
  t:
    columns:
      b: {on_null: {fill: '0'}, reason: WHY}
tables: {t: {columns: {a: {on_nul_character: strip, reason: 'WHY'}}}}
tables: {u: {skip: Kept elsewhere}}
"""


def test_decisions_pasted_below_each_other_are_one() -> None:
    decided = parse_decisions(PASTED, "decisions.yaml").decisions
    columns = decided.tables["t"].columns
    assert (columns["a"].on_too_long, columns["a"].on_nul_character, columns["a"].reason) == (
        "truncate",
        "strip",
        "WHY",
    )
    assert columns["b"].on_null is not None
    assert decided.tables["u"].skip == "Kept elsewhere"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("tables: {t: {skip: One reason}}\ntables: {t: {skip: Another}}\n", ("3", "2")),
        ("tables: {t: {skip: One reason}}\ntables:\n  t: to be done\n", ("4", "2")),
        ("tables: {}\n\ntables: []\n", ("4", "2")),
        ("project: other\n", ("2", "1")),
    ],
)
def test_two_answers_to_one_question_are_refused_with_both_lines(text: str, lines: tuple[str, str]) -> None:
    here, there = lines
    with pytest.raises(
        ConfigurationError, match=f"line {here}: .* stands here and on line {there}, and they"
    ):
        parse_decisions("project: shop\n" + text, "decisions.yaml")


def test_what_an_alias_names_is_not_changed_by_what_is_pasted() -> None:
    text = """project: shop
tables:
  t: {columns: &both {a: {skip: One reason}}}
  u: {columns: *both}
tables: {u: {columns: {b: {skip: Another}}}}
"""
    tables = parse_decisions(text, "decisions.yaml").decisions.tables
    assert [sorted(tables[name].columns) for name in "tu"] == [["a"], ["a", "b"]]


def test_a_fault_in_a_pasted_part_is_named_by_its_own_line() -> None:
    text = "project: shop\ntables: {t: {skip: One reason}}\ntables:\n  u:\n    skipp: Another\n"
    with pytest.raises(ConfigurationError, match=r"line 5: .*unknown key 'skipp'"):
        parse_decisions(text, "decisions.yaml")
