"""How tables are loaded, from the environment, when a run starts.

=====================  ================================================================================
BLB_CONNECTIONS        how many connections load one large table at once, else by processors and servers
BLB_CHUNKED_FROM_ROWS    from how many rows on a table is split into chunks, else 4,000,000
BLB_RESUME             0: a chunked load that was broken off begins again instead of going on
=====================  ================================================================================
"""

from __future__ import annotations

import os

from blb_migration.errors import ConfigurationError
from blb_migration.migration import Loading

CONNECTIONS_VARIABLE = "BLB_CONNECTIONS"
CHUNKED_VARIABLE = "BLB_CHUNKED_FROM_ROWS"
RESUME_VARIABLE = "BLB_RESUME"


def read_loading() -> Loading:
    """What the environment says. Raises ConfigurationError for what is no number of at least 1."""
    default = Loading()
    return Loading(
        connections=_read_number(CONNECTIONS_VARIABLE) or default.connections,
        chunked_from_rows=_read_number(CHUNKED_VARIABLE) or default.chunked_from_rows,
        resumes=os.environ.get(RESUME_VARIABLE, "").strip() != "0",
    )


def _read_number(variable: str) -> int | None:
    text = os.environ.get(variable, "").strip().replace("_", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(
            f"environment variable {variable}",
            found=f"{text!r}",
            expected="a whole number, 1 or more",
            next_act="Correct it, or leave it out",
        )
    return int(text)
