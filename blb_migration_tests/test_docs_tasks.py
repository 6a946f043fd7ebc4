"""The tasks that CONTRIBUTING, ``--help``, pre-commit and the nightly workflow name can be run here."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from blb_migration_tests.dagster_range import read_requirements
from blb_migration_tests.run import TASKS, main

TOP = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
WORKFLOW: Any = yaml.safe_load((TOP / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8"))
HOOKS: Any = yaml.safe_load((TOP / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
SHOWN_IN = ("README.md", "CONTRIBUTING.md", "docs/testing.md", "docs/performance.md")
_COMMAND = re.compile(
    r"^ *((?:BLB_\w+=\S+ )?(?:python3|\.venv/bin/\w+|\.ci/)[^#\n]*?)(?: {2,}.*| *#.*)?$", re.MULTILINE
)


def iterate_commands() -> Iterator[tuple[str, str]]:
    """Yield each command with where it stands."""
    for name in SHOWN_IN:
        for block in re.findall(
            r"^```\n(.*?)^```", (TOP / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            yield from ((name, command) for command in _COMMAND.findall(block.replace("\\\n", " ")))
    yield from (("--help", command) for command in _COMMAND.findall(TASKS.partition("\n\n")[2]))
    for job in WORKFLOW["jobs"].values():
        for step in job["steps"]:
            yield from (
                ("nightly.yml", command)
                for command in _COMMAND.findall(step.get("run", "").replace("python -m", "python3 -m"))
            )
    yield from (("pre-commit", hook["entry"]) for repo in HOOKS["repos"] for hook in repo["hooks"])


COMMANDS = sorted(set(iterate_commands()))


def test_commands_are_found_everywhere() -> None:
    places = {place for place, _ in COMMANDS}
    assert places == {*SHOWN_IN, "--help", "nightly.yml", "pre-commit"}
    assert len(COMMANDS) > 30


@pytest.mark.parametrize(("place", "command"), COMMANDS)
def test_a_command_that_is_named_exists(place: str, command: str) -> None:
    words = [word for word in shlex.split(command) if not re.match(r"BLB_\w+=", word)]
    program, arguments = words[0], words[1:]
    if program.startswith(".ci/"):
        assert (TOP / program).stat().st_mode & 0o100
    elif program.startswith(".venv/"):
        assert (SCRIPTS / Path(program).name).exists()
    for module in (after for word, after in pairwise(arguments) if word == "-m"):
        folder = TOP / module.replace(".", "/")
        is_there = (folder / "__main__.py").exists() or folder.with_suffix(".py").exists()
        assert module == "pytest" or is_there
    for path in (word for word in arguments if word.startswith("blb_migration_tests/")):
        assert (TOP / path).exists()


def test_help_lists_the_tasks_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == TASKS


def test_the_nightly_matrix_is_what_the_project_admits() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest, highest = re.findall(r"3\.(\d+)", project["requires-python"])
    jobs = WORKFLOW["jobs"]
    assert jobs["everything"]["strategy"]["matrix"]["python"] == [
        f"3.{n}" for n in range(int(lowest), int(highest))
    ]


def test_dagsters_range_is_what_the_project_admits() -> None:
    assert {re.split(r"[<>=]", line)[0] for line in read_requirements()} == {"dagster", "dagster-webserver"}
    assert WORKFLOW["jobs"]["dagster"]["steps"][-1]["run"] == ".ci/dagster-range"


def test_the_nightly_server_s_log_in_is_the_url_s() -> None:
    job = WORKFLOW["jobs"]["real-sql-server"]
    password = job["services"]["sqlserver"]["env"]["MSSQL_SA_PASSWORD"]
    assert password.replace("#", "%23") in job["env"]["BLB_TEST_SOURCE_CONN"]
    assert password in job["services"]["sqlserver"]["options"]
