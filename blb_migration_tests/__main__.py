"""``python -m blb_migration_tests``: everything that must hold, from a bare clone on.

Formatter, linter, type checker, then pytest; arguments go to pytest (and then only pytest runs).
"""

import sys

from blb_migration.bootstrap.python_version import refuse_other_pythons

if __name__ == "__main__":
    refuse_other_pythons("blb_migration_tests")
    from blb_migration.bootstrap.start import ensure_installed

    ensure_installed("blb_migration_tests", sys.argv[1:])
    from blb_migration_tests.run import main

    sys.exit(main(sys.argv[1:]))
