"""Imported once by what forks the processes of steps: the executor ``multiprocess``, a Celery worker.

What is loaded here, no step has to load: Dagster with what an instance is made of, the code location with its
graph resolved, and the data path and the report, which the code location itself leaves out. Nothing here
connects to a database server or starts a thread.
"""

from blb_migration.collector import resting_collector

with resting_collector():
    import dagster._cli  # noqa: F401 - the run's own main module, which every step's process imports again
    import mssql_python  # noqa: F401
    from dagster import DagsterInstance, Definitions, RepositoryDefinition

    import blb_migration.compare.run_checks
    import blb_migration.defs.event_storage
    import blb_migration.defs.internals.run_states
    import blb_migration.defs.loading
    import blb_migration.defs.verdict_events
    import blb_migration.load.finish
    import blb_migration.load.prepare
    import blb_migration.load.table
    import blb_migration.postgres.ledger.packing
    import blb_migration.preflight.stage
    import blb_migration.progress.long_keys
    import blb_migration.progress.run_meter
    import blb_migration.report.document
    import blb_migration.report.ending
    import blb_migration.report.page
    import blb_migration.report.target_status
    import blb_migration.run_hold  # noqa: F401
    from blb_migration import definitions

    with DagsterInstance.local_temp():  # Dagster imports what an instance consists of when it makes one
        pass

    for _place in vars(definitions).values():  # one for all, or a repository for each environment
        if isinstance(_place, Definitions):
            _place = _place.get_repository_def()
        if isinstance(_place, RepositoryDefinition):
            for _job in _place.get_all_jobs():
                _ = _job.graph
