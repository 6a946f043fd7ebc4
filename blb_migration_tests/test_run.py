"""The tests' own command: what fails beside others is tried once more, alone; what fails again fails."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from blb_migration_tests.conftest import LONGEST_FIRST
from blb_migration_tests.run import TOP, UNTRACED, find_files_of_alone, plan_tests, run_tests

FAILS_ONCE = """
from pathlib import Path

def test_fails_the_first_time():
    tried = Path(__file__).parent / "tried"
    was_tried = tried.exists()
    tried.touch()
    assert was_tried

def test_runs_once():
    with (Path(__file__).parent / "runs").open("a") as file:
        file.write("x")
"""
FAILS = "def test_fails():\n    assert False\n"


def test_what_failed_is_tried_once_more_alone_and_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_it.py").write_text(FAILS_ONCE, encoding="utf-8")
    assert run_tests([["--cache-clear"], ["-k", "runs"]], [], tmp_path) == 0
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "xx"  # by the two calls, not by the third
    said = capfd.readouterr().out
    assert "test_it.py::test_fails_the_first_time PASSED" in said
    assert said.strip().endswith("mend its bounds")


def test_what_fails_again_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_it.py").write_text(FAILS_ONCE + FAILS, encoding="utf-8")
    assert run_tests([["--cache-clear"]], [], tmp_path) == 1
    said = capfd.readouterr().out
    assert "test_it.py::test_fails FAILED" in said
    assert "mend its bounds" not in said


def test_what_is_no_failed_test_is_not_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_it.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    assert run_tests([["--cache-clear"]], [], tmp_path) == 2
    assert "once more" not in capfd.readouterr().out


def test_a_floor_of_coverage_that_is_missed_is_no_test_to_try_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.py").write_text(
        "def some():\n    return 1\n\n\ndef other():\n    return 2\n", encoding="utf-8"
    )
    (tmp_path / "test_it.py").write_text(
        "from some import some\n\ndef test_some():\n    assert some() == 1\n", encoding="utf-8"
    )
    assert run_tests([["--cache-clear", "--cov=some", "--cov-fail-under=99"]], [], tmp_path) != 0
    assert "mend its bounds" not in capfd.readouterr().out


def test_earlier_failures_of_this_clone_are_forgotten_first() -> None:
    assert "--cache-clear" in plan_tests([], is_measured=False)[0]
    assert "--cache-clear" not in plan_tests(["-k", "some"], is_measured=False)[0]


def test_the_files_that_begin_first_are_there_and_no_other_order_comes_in_between() -> None:
    assert [name for name in LONGEST_FIRST if not (TOP / "blb_migration_tests" / name).is_file()] == []
    for call in plan_tests([], is_measured=False):
        assert "--no-loadscope-reorder" in call


def is_marked_alone(text: str) -> bool:
    """Whether the text names the mark, wherever it does."""
    names = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute))
    return any(node.attr == "alone" and ast.unparse(node.value).endswith("mark") for node in names)


def test_no_file_with_a_test_that_runs_alone_is_left_out() -> None:
    texts = {
        str(path.relative_to(TOP)): text
        for path in (TOP / "blb_migration_tests").rglob("test_*.py")
        if ".alone" in (text := path.read_text(encoding="utf-8"))
    }
    marked = sorted(name for name, text in texts.items() if is_marked_alone(text))
    assert len(marked) > 5
    assert find_files_of_alone() == marked
    assert plan_tests([], is_measured=False)[2][-len(marked) :] == marked


def test_what_is_not_traced_runs_all_the_same() -> None:
    traced, untraced, alone = plan_tests([], is_measured=True)
    assert ["--cov" in call for call in (traced, untraced, alone)] == [True, False, False]
    names = [f"blb_migration_tests/{name}" for name in UNTRACED]
    assert [name for name in names if not (TOP / name).exists()] == []
    assert untraced[-len(names) :] == names
    assert [word.removeprefix("--ignore=") for word in traced if word.startswith("--ignore=")] == names
