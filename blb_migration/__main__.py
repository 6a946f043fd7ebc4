"""``python -m blb_migration``: the command ``blb-migrate``, from an installation or a bare clone."""

import sys

from blb_migration.bootstrap.python_version import refuse_other_pythons

if __name__ == "__main__":
    refuse_other_pythons("blb_migration")
    from blb_migration.bootstrap.start import ensure_installed

    ensure_installed("blb_migration", sys.argv[1:])
    from blb_migration.cli.main import main

    sys.exit(main())
