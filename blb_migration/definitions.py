"""Dagster's code location ``blb_migration.definitions``: the project's graph, loaded with no database.

``BLB_PROJECT`` names a project folder other than the ERP's. All the wiring is in ``defs/``.
"""

from blb_migration.defs.assemble import build_defs
from blb_migration.plan.project import DEFAULT_PROJECT, load_project
from blb_migration.settings import read_project_folder

defs = build_defs(load_project(read_project_folder() or DEFAULT_PROJECT))
