"""``python -m blb_migration``: the command ``blb-migrate``, from an installation or a bare clone."""

import sys

from blb_migration.bootstrap import ensure_installed

if __name__ == "__main__":
    ensure_installed("blb_migration", sys.argv[1:])
    from blb_migration.cli.main import main

    sys.exit(main())
