"""Whatever a message, a comment or a file of ours points to can be read with what is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import blb_migration
from blb_migration.cli.main import main
from blb_migration.documents import list_documents, read_document

PACKAGE = Path(blb_migration.__file__).parent
_POINTER = re.compile(r"(?<![\w/])docs/([\w/-]+\.\w+)|blb-migrate docs ([a-z][\w/-]*)")


def find_pointers() -> dict[str, str]:
    """Names of documents that the product's texts mention, each with a file that does."""
    return {
        match.group(1) or match.group(2): path.name
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".yaml", ".sql", ".j2")
        for match in _POINTER.finditer(path.read_text(encoding="utf-8"))
    }


def test_every_document_that_is_mentioned_can_be_read() -> None:
    pointers = find_pointers()
    assert {"decisions", "docs/decisions.md".removeprefix("docs/"), "schema", "digest.md"} <= pointers.keys()
    for name in pointers:
        assert read_document(name)


def test_documents_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(list_documents())
    assert all(len(line.split()) > 1 for line in lines)


@pytest.mark.parametrize("name", ["digest", "digest.md", "docs/digest.md", "docs\\digest.md"])
def test_a_document_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", name]) == 0
    text = (PACKAGE.parent / "docs" / "digest.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", ["nothing", "../README", "/etc/passwd"])
def test_what_there_is_not_is_named_with_what_there_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", name]) == 2
    error = capsys.readouterr().err
    assert f"docs {name}: there is no such document" in error
    assert "decisions, " in error


def test_nobody_is_told_to_install_this_package_from_an_index() -> None:
    advice = re.compile(r"pip install[^\n]*blb[_-]migrat")
    texts = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "docs").rglob("*.md"), PACKAGE.parent / "README.md"]
    assert [path.name for path in texts if advice.search(path.read_text(encoding="utf-8"))] == []
