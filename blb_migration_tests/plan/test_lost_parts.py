"""What the databases lack of the plan is refused with the act that mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blb_migration.errors import PreflightRefused
from blb_migration.model import Catalog
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.lost_parts import refuse_lost_parts
from blb_migration.plan.project import Project
from blb_migration_tests.catalogs import catalog, table

SOURCE = catalog("sqlserver", table("orders", "id int not null"), table("lines", "id int not null"))
TARGET = catalog(
    "postgres",
    table("orders", "id integer not null", schema="public"),
    table("lines", "id integer not null", schema="public"),
)


def without(whole: Catalog, *names: str) -> Catalog:
    return replace(whole, tables=tuple(each for each in whole if each.name.name not in names))


@pytest.mark.parametrize(
    ("source", "target", "act"),
    [
        (SOURCE, without(TARGET, "orders", "lines"), "Create the target's tables"),
        (SOURCE, without(TARGET, "lines"), "Create or restore in the target what it lacks"),
        (without(SOURCE, "lines"), TARGET, "Give the log-in SELECT on it"),
    ],
)
def test_the_act_is_about_the_side_that_lacks_it(source: Catalog, target: Catalog, act: str) -> None:
    file = parse_decisions("project: test\nschemas: {dbo: public}\n", "decisions.yaml")
    known = Project(Path("test"), file, SOURCE, TARGET)
    with pytest.raises(PreflightRefused, match=act):
        refuse_lost_parts(known, known.with_catalogs(source, target))
