"""All variables together: for ``--help``, ``blb-migrate variables``, the README; and what is misspelt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from blb_migration.errors import ConfigurationError
from blb_migration.near_names import ask_whether, find_near
from blb_migration.settings.variables import GROUPS, PREFIX, name_variable, read_words

RENAMED = {"BLB_SPLIT_FROM_ROWS": "BLB_CHUNKED_FROM_ROWS"}
NOT_OURS = ("BLB_TEST_", "BLB_MUTATION_", "BLB_FILL_", "BLB_READER_")  # the tests', the sandbox's, compose's


@dataclass(frozen=True)
class Variable:
    """One variable in words."""

    name: str
    meaning: str
    otherwise: str
    unit: str


def iterate_variables() -> Iterator[Variable]:
    """Yield all variables in the order of their declaration, and Dagster's own one that counts here."""
    for group in GROUPS:
        for field, info in group.model_fields.items():
            words = read_words(group, field)
            yield Variable(name_variable(field), info.description or "", words["otherwise"], words["unit"])
    yield Variable(
        "DAGSTER_HOME", "the Dagster instance whose UI shows the command's runs", "no record of them", ""
    )


def render_markdown() -> str:
    """Build the README's table."""
    lines = ["| variable | meaning | if not set |", "| --- | --- | --- |"]
    lines += [
        f"| `{variable.name}` | {variable.meaning} | {variable.otherwise} |"
        for variable in iterate_variables()
    ]
    return "\n".join(lines) + "\n"


def find_unknown_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Find what is set, begins with BLB_ and is no variable of ours; each with the one probably meant."""
    known = [variable.name for variable in iterate_variables()]
    unknown: dict[str, str | None] = {}
    for name in sorted({name.upper() for name in environment if name.upper().startswith(PREFIX)}):
        if name not in known and not name.startswith(NOT_OURS):
            unknown[name] = RENAMED.get(name) or find_near(name, known, likeness=0.8)
    return unknown


def refuse_misspelt_variables() -> None:
    """Raise ConfigurationError for a variable whose name is close to one of ours, or was ours once."""
    for name, meant in find_unknown_variables().items():
        if meant is not None:
            raise ConfigurationError(
                f"environment variable {name}",
                found=f"there is no such variable{ask_whether(meant)}",
                expected="a variable that 'blb-migrate variables' lists",
                next_act=f"Set {meant} instead, or unset {name}",
            )
