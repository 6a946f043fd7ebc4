"""What the command ``blb-migrate`` does, one module per subcommand, and how it talks to a person.

Calls ``defs/`` to run jobs and the stages' functions for what needs no job. No SQL here, and no dagster.
``subcommands`` imports a module when its subcommand is called, so that ``--help`` is quick.
"""
