"""The rules of the house that no linter knows: names, sizes, charters, and the field's words."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blb_migration.cli.main import main
from blb_migration.cli.subcommands import SUBCOMMANDS

TOP = Path(__file__).parents[1]
PRODUCT = TOP / "blb_migration"
LONGEST_MODULE_LINES = 400
# What both engines have is named alike on either side.
ENGINES = (PRODUCT / "sqlserver", PRODUCT / "postgres")
# CHANGELOG.md says what was called otherwise before.
DOCUMENTS = sorted([TOP / "README.md", TOP / "CONTRIBUTING.md", *(TOP / "docs").rglob("*.md")])
# Words of our own, and what the field calls it.
REPLACED = {
    r"set[s]? aside|setting aside": "drop",
    r"brought back|bring[s]? back|bringing back": "restore",
    r"(?<![</])\bfigures?\b": "metric",
    r"\bdepths?\b": "check",
    r"\bnumbering\b": "sequence or identity",
    r"key ranges?|\bsplit (load|table)s?\b": "chunk",
    r"left[ -]behinds?": "not migrated",
    r"\bobjections?\b|\bstandings?\b": "reason or status",
    r"stand-in": "emulator",
    r"\b(is|are|was|were) (not )?proven\b|\bunproven\b": "validated or verified",
    r"lets not in|for want of|went wrong": "cannot connect, without, error",
}


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


def test_a_test_that_bounds_a_duration_runs_alone() -> None:
    bounding = re.compile(r"^ *assert [^#\n]*(monotonic\(\) - |\bseconds )[^#\n]*<", re.MULTILINE)
    paths = sorted((TOP / "blb_migration_tests").rglob("test_*.py"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    found = {name for name, text in texts.items() if bounding.search(text)}
    assert len(found) > 3
    assert {name for name in found if "pytest.mark.alone" not in texts[name]} == set()


def test_every_module_and_room_opens_with_its_charter() -> None:
    silent = [
        path
        for path in PRODUCT.rglob("*.py")
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


# What an older ledger's tables were called.
_OLD_NAMES = PRODUCT / "postgres" / "ledger" / "upgrades"


def find_replaced_words(text: str) -> dict[str, str]:
    """Return each replaced word with what stands around it, and the field's word for it."""
    text = re.sub(r"\s+", " ", text)
    return {
        text[max(match.start() - 30, 0) : match.end() + 30]: word
        for pattern, word in REPLACED.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    }


def read_words(path: Path) -> str:
    """Return a file's text; of a module its docstrings, messages and comments, but no names."""
    if path.suffix != ".py":
        return path.read_text(encoding="utf-8")
    kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    with tokenize.open(path) as file:
        return "\n".join(
            token.string for token in tokenize.generate_tokens(file.readline) if token.type in kinds
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_speak_the_field_s_words(document: Path) -> None:
    assert find_replaced_words(document.read_text(encoding="utf-8")) == {}


def test_docstrings_and_messages_speak_the_field_s_words() -> None:
    found: dict[str, str] = {}
    for path in sorted(PRODUCT.rglob("*")):
        is_text = path.suffix in (".py", ".sql", ".j2", ".yaml") and not path.is_relative_to(_OLD_NAMES)
        if is_text:
            found |= {
                f"{path.name}: {where}": word for where, word in find_replaced_words(read_words(path)).items()
            }
    assert found == {}


def read_help(capsys: pytest.CaptureFixture[str], *subcommand: str) -> str:
    with suppress(SystemExit):
        main([*subcommand, "--help"])
    return capsys.readouterr().out


def test_help_speaks_the_field_s_words(capsys: pytest.CaptureFixture[str]) -> None:
    whole = read_help(capsys)
    for text in (whole, *(read_help(capsys, subcommand) for subcommand in SUBCOMMANDS)):
        assert "blb-migrate" in text
        assert find_replaced_words(text) == {}


def test_a_replaced_word_is_noticed() -> None:
    assert find_replaced_words("The keys are set\naside.") == {"The keys are set aside.": "drop"}
