"""All of Dagster: assets, checks, jobs, the schedule, the resource, and running them in this process.

One file per concept, assembled by ``assemble.build_defs``. Asset bodies call a stage of ``preflight/``,
``load/``, ``compare/`` or ``report/`` and describe its result; what is decided, is decided there. Nothing
outside this room and ``definitions.py`` imports dagster.

The stages are imported inside the bodies: they bring pyarrow, psycopg and mssql_python, which the
code location does not need to show the graph and would load again and again.
"""
