"""Every BLB_* variable is declared once, checked when it is read, and explained from its declaration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blb_migration.errors import ConfigurationError
from blb_migration.settings.variable_list import (
    NOT_OURS,
    find_unknown_variables,
    iterate_variables,
    refuse_misspelt_variables,
    render_markdown,
)
from blb_migration.settings.variables import (
    GROUPS,
    ComparingVariables,
    DatabaseVariables,
    ExecutorVariables,
    LoadingVariables,
    ScheduleVariables,
    SourceVariables,
    VariableGroup,
)

TOP = Path(__file__).parents[1]
NAMES = [variable.name for variable in iterate_variables()]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_readme_has_the_table_that_the_declarations_give() -> None:
    assert render_markdown() in (TOP / "README.md").read_text(encoding="utf-8")


def test_no_variable_is_read_anywhere_else() -> None:
    readers = re.compile(r"environ(?:\.get)?[\[(]\s*f?\"BLB_|getenv\(\s*f?\"BLB_")
    modules = (TOP / "blb_migration").rglob("*.py")
    assert [path for path in modules if readers.search(path.read_text(encoding="utf-8"))] == []


def test_every_variable_that_a_text_of_the_product_names_is_declared() -> None:
    named = {
        (name, path.relative_to(TOP).as_posix())
        for folder in ("blb_migration", "docs")
        for path in (TOP / folder).rglob("*")
        if path.suffix in (".py", ".md", ".yaml", ".yml", ".html", ".j2")
        for name in re.findall(r"\bBLB_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    undeclared = {(name, path) for name, path in named if name not in NAMES and not name.startswith(NOT_OURS)}
    assert {
        (name, path) for name, path in undeclared if not path.endswith("settings/variable_list.py")
    } == set()


@pytest.mark.parametrize("group", GROUPS)
def test_a_blank_value_counts_as_not_set(group: type[VariableGroup], monkeypatch: pytest.MonkeyPatch) -> None:
    unset = group.read()
    for field in group.model_fields:
        monkeypatch.setenv(f"BLB_{field.upper()}", "  ")
    assert group.read().model_dump() == unset.model_dump()


@pytest.mark.parametrize(
    ("group", "name", "value", "expected"),
    [
        (LoadingVariables, "BLB_CONNECTIONS", "many", "Expected a whole number, 1 or more"),
        (LoadingVariables, "BLB_CHUNKED_FROM_ROWS", "0", "Expected a whole number, 1 or more"),
        (LoadingVariables, "BLB_RESUME", "perhaps", "Expected 1 or 0"),
        (
            ExecutorVariables,
            "BLB_EXECUTOR",
            "kubernetes",
            "Expected threads, in_process, multiprocess or celery",
        ),
        (SourceVariables, "BLB_SOURCE_DRIVER", "freetds", "Expected msodbcsql18 or mssql-odbc"),
        (ScheduleVariables, "BLB_TIMEZONE", "Mars/Olympus", "Expected an IANA name"),
        (ScheduleVariables, "BLB_TIMEZONE", "../etc/passwd", "Expected an IANA name"),
        (ComparingVariables, "BLB_REREAD", "2", "Expected 1 or 0"),
    ],
)
def test_a_value_that_is_none_is_named_with_what_is_expected(
    group: type[VariableGroup], name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        group.read()
    assert str(raised.value).startswith(f"environment variable {name}: '{value}'. {expected}")
    assert "Correct it, or unset it for " in str(raised.value)


def test_a_wrong_value_hurts_only_those_who_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_CONNECTIONS", "many")
    assert ScheduleVariables.read().timezone == "UTC"
    assert ExecutorVariables.read().executor is None


def test_urls_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://u:hidden@h/db")
    assert "hidden" not in f"{DatabaseVariables.read()!r} {DatabaseVariables.read()}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BLB_CONECTIONS", "BLB_CONNECTIONS"),
        ("BLB_SOURCE_CON", "BLB_SOURCE_CONN"),
        ("BLB_TIME_ZONE", "BLB_TIMEZONE"),
        ("BLB_SPLIT_FROM_ROWS", "BLB_CHUNKED_FROM_ROWS"),
    ],
)
def test_a_misspelt_or_former_name_is_refused(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "secret")
    with pytest.raises(
        ConfigurationError, match=f"{name}: there is no such variable \\(did you mean {meant}\\?\\)"
    ) as raised:
        refuse_misspelt_variables()
    assert "secret" not in str(raised.value)


def test_a_name_that_means_something_else_is_only_reported() -> None:
    environment = {
        "BLB_SHOP_COLOUR": "1",
        "BLB_TEST_SOURCE_CONN": "1",
        "BLB_FILL_SOURCE_CONN": "1",
        "BLB_DEBUG": "1",
        "PATH": "/",
    }
    assert find_unknown_variables(environment) == {"BLB_SHOP_COLOUR": None}


def test_what_was_checked_is_not_checked_again_until_the_environment_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = LoadingVariables.read()
    assert LoadingVariables.read() is first
    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql+pyodbc://sa:x@host/shop")
    assert DatabaseVariables.read().source_conn is not None
    monkeypatch.delenv("BLB_SOURCE_CONN")
    assert DatabaseVariables.read().source_conn is None
