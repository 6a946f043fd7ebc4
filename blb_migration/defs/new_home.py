"""Makes Dagster's records in a home that has none: ``python -m blb_migration.defs.new_home``.

Dagster's storages make their tables when they are first opened, and take no lock for it. Where web server,
daemon and code servers open a new home at the same moment, two of them note what they made as its version,
and from then on Dagster refuses the home ("Version table 'alembic_version' has more than one head present"):
3 of 12 first starts on a busy machine.
"""

from dagster import DagsterInstance


def main() -> None:
    """Open all of the instance's storages once."""
    with DagsterInstance.get() as instance:
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            assert storage is not None


if __name__ == "__main__":
    main()
