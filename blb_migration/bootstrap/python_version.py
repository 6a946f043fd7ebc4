"""Refuses a Python that the packages do not run on, in one sentence instead of a traceback.

Kept to a syntax that every Python understands, 2.7 too: it is what an old one reads first.
"""

import os
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def refuse_other_pythons(module):
    # type: (str) -> None
    """Return on a Python from OLDEST to NEWEST; else name one that is here and exit with code 2."""
    if OLDEST <= tuple(sys.version_info[:2]) <= NEWEST:
        return
    found = ".".join(str(part) for part in sys.version_info[:3])
    names = ["python%d.%d" % (OLDEST[0], minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]  # noqa: UP031
    here = [name for name in names if _runs(name)]
    next_act = "Run: %s -m %s" % (here[0], module) if here else "Start the command with one of these."  # noqa: UP031
    sys.stderr.write(
        "blb-migrate: this is Python %s; Python 3.11, 3.12 or 3.13 is needed. %s\n" % (found, next_act)  # noqa: UP031
    )
    sys.exit(2)


def _runs(name):
    # type: (str) -> bool
    """Try it: a version manager puts names into PATH that lead nowhere."""
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            return subprocess.call([name, "-c", ""], stdout=nowhere, stderr=nowhere) == 0
    except OSError:
        return False
