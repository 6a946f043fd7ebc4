"""A project folder: decisions.yaml, written by a person, and catalog.json, as both sides were found.

From these two alone the plan is built, so that Dagster loads its definitions with no database at hand.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from blb_migration.errors import ConfigurationError
from blb_migration.model import Catalog
from blb_migration.plan.build import build_plan
from blb_migration.plan.decisions_file import DecisionsFile, read_decisions
from blb_migration.plan.relocate import relocate_plan
from blb_migration.plan.table_plans import Plan
from blb_migration.shells import join, name_command

DECISIONS_FILE = "decisions.yaml"
CATALOG_FILE = "catalog.json"
BUILT_IN_PROJECTS = Path(__file__).parent.parent / "projects"
DEFAULT_PROJECT = BUILT_IN_PROJECTS / "blb3d_erp"


@dataclass(frozen=True)
class Project:
    """What is migrated: both catalogs as discovered, and what a person decided.

    ``scratch_prefix`` is set for a dry run: it stands before the target's schema names. ``known_source`` is
    the source as catalog.json has it, where ``source`` was read since.
    """

    folder: Path
    decisions_file: DecisionsFile
    source: Catalog
    target: Catalog
    scratch_prefix: str | None = None
    known_source: Catalog | None = None

    @cached_property
    def plan(self) -> Plan:
        """What is to be done: ``plan_in_place``, or the same onto scratch copies of the target's tables."""
        in_place = self.plan_in_place
        return in_place if self.scratch_prefix is None else relocate_plan(in_place, self.scratch_prefix)

    @cached_property
    def plan_in_place(self) -> Plan:
        """The plan of these catalogs under these decisions, onto the target's own tables.

        Raises ConfigurationError naming file and line of what is decided and cannot be carried out.
        """
        plan = build_plan(self.source, self.target, self.decisions_file.decisions, self.known_source)
        self.decisions_file.refuse(plan.faults)
        return plan

    @property
    def name(self) -> str:
        """The project's name, from its decisions."""
        return self.decisions_file.decisions.project

    @property
    def title(self) -> str:
        """What people call it: the decisions' title, or the name."""
        return self.decisions_file.decisions.title or self.name

    def with_catalogs(self, source: Catalog, target: Catalog) -> Project:
        """Return the same decisions over catalogs that were discovered just now."""
        return replace(self, source=source, target=target, known_source=self.known_source or self.source)


def load_project(folder: Path) -> Project:
    """Read a project folder.

    Raises ConfigurationError naming the file, the line and what was expected.
    """
    decisions_file = read_decisions(folder / DECISIONS_FILE)
    path = folder / CATALOG_FILE
    command = join(
        [*name_command("blb-migrate", "blb_migration"), "plan", "--project", str(folder.resolve())]
    )
    refresh = f"With both databases at hand, write it: {command}"
    try:
        document = TypeAdapter(dict[str, Catalog]).validate_json(path.read_bytes())
        return Project(folder, decisions_file, document["source"], document["target"])
    except OSError as error:
        raise ConfigurationError(
            str(path), found=f"cannot be read ({error.strerror})", next_act=refresh
        ) from None
    except (ValidationError, KeyError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"no key {error}"
        raise ConfigurationError(
            str(path), found=f"not a catalog of this version ({first})", next_act=refresh
        ) from None


def save_project(project: Project) -> None:
    """Write both files; decisions.yaml only where there is none, since it is a person's."""
    project.folder.mkdir(parents=True, exist_ok=True)
    decisions_path = project.folder / DECISIONS_FILE
    if not decisions_path.exists():
        decisions_path.write_text(project.decisions_file.text, encoding="utf-8")
    document = {"source": _as_document(project.source), "target": _as_document(project.target)}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (project.folder / CATALOG_FILE).write_text(text + "\n", encoding="utf-8")


def _as_document(catalog: Catalog) -> Any:
    return _without_nothing(asdict(catalog))


def _without_nothing(value: Any) -> Any:
    """Drop what every reader fills in by itself, so that a change of the catalog is easy to see."""
    if isinstance(value, dict):
        kept = {key: _without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item not in ((), [])}
    if isinstance(value, list | tuple):
        return [_without_nothing(item) for item in value]
    return value
