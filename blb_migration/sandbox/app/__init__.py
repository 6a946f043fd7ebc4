"""The sample application: a small backend over the sample ERP, on SQL Server or PostgreSQL, as its .env says.

What a night switches. It lives in a folder (``.env``, ``logs/app.log``, ``run/PORT.pid``), is told by
commands (``python -m blb_migration.sandbox.app start|stop|serve|backup --folder F --port P``) and serves what
the ERP's own smoke.yaml asks. ``erp_api`` has the HTTP side, ``erp_statements`` the database's,
``app_process`` starts and stops; ``sample_night`` writes the folders and files of a whole night on this
machine, ``planted_faults`` breaks one step of it. Of the migration the application itself uses only the
choice of SQL Server's driver. Starlette and uvicorn come with Dagster's web server.
"""
