"""The second sample database: every SQL Server type at its boundaries, every shape of table and name.

``create_zoo`` fills the SQL Server emulator, with hazards planted on demand; ``create_zoo_target`` makes the
PostgreSQL side as somebody would have made it beforehand. Deterministic: no clock, no random numbers.
"""

from blb_migration.sandbox.zoo.hazards import PLANTINGS, Hazard, Planting
from blb_migration.sandbox.zoo.zoo_source import ZOO_DATABASE, build_exhibits, create_zoo
from blb_migration.sandbox.zoo.zoo_target import create_zoo_target

__all__ = [
    "PLANTINGS",
    "ZOO_DATABASE",
    "Hazard",
    "Planting",
    "build_exhibits",
    "create_zoo",
    "create_zoo_target",
]
