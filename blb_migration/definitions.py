"""Dagster's code location ``blb_migration.definitions``: the project's graph, loaded with no database.

``BLB_PROJECT`` names a project folder other than the ERP's. Where a rehearsal is configured, it and
production are two repositories: docs/decisions/0018. All the wiring is in ``defs/``.
"""

from blb_migration.collector import rest_at_exit, resting_collector

rest_at_exit()
with resting_collector():
    from blb_migration.defs.assemble import build_defs, build_repository
    from blb_migration.defs.run_processes import prepare_runs
    from blb_migration.plan.project import DEFAULT_PROJECT, load_project
    from blb_migration.settings import read_project_folder
    from blb_migration.settings.environments import PRODUCTION, REHEARSAL, is_configured

    project = load_project(read_project_folder() or DEFAULT_PROJECT)

    if is_configured(REHEARSAL):
        production = build_repository(project, PRODUCTION)
        rehearsal = build_repository(project, REHEARSAL)
    else:
        defs = build_defs(project)

    prepare_runs(project.folder)
