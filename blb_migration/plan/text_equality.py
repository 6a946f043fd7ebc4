"""When the target takes two texts of a key for equal, as its column is declared.

PostgreSQL compares texts letter by letter, with these exceptions: character(n) ignores trailing spaces,
citext compares the lower case of both, and a nondeterministic collation leaves it to ICU. Of ICU's locales
those are known here that only lower the strength of the comparison; what others do is the server's to know.

Sources: PostgreSQL, "Character Types" and "Collation Support"; "ALTER TABLE ... ADD FOREIGN KEY" compares by
the referred column's operator and collation; Unicode TS 35, part 5, "Collation Settings".
"""

from __future__ import annotations

import re
from dataclasses import replace

from blb_migration.model import Column
from blb_migration.questions import Letters, TextEquality

# und-u-ks-level2, en-US-u-ks-level1, or as servers before 16 take it as well: und@colStrength=secondary.
_LOCALE = re.compile(
    r"(?:und|root|en|de|)(?:[-_][A-Z]{2})?(?:-u-ks-(?P<level>level\d)|@colStrength=(?P<strength>\w+))",
    re.IGNORECASE,
)
_STRENGTHS: dict[str, Letters] = {
    "level1": "any case or accent",
    "primary": "any case or accent",
    "level2": "any case",
    "secondary": "any case",
}


def find_equality(column: Column) -> TextEquality:
    """Return how the target's column compares texts."""
    pads = column.type.name == "character"
    if column.insensitive_locale is not None:
        found = _LOCALE.fullmatch(column.insensitive_locale)
        strength = (found["level"] or found["strength"]).lower() if found is not None else ""
        return TextEquality(_STRENGTHS.get(strength, "unknown"), pads)
    return TextEquality("lower case" if column.type.name == "citext" else "exact", pads)


def find_reference_equality(column: Column, referred: Column) -> tuple[TextEquality, TextEquality]:
    """Return how a foreign key compares its own values and the referred ones: as the referred column does.

    A character(n) loses its trailing spaces where it is compared with another text.
    """
    theirs = find_equality(referred)
    return replace(theirs, pads=theirs.pads or find_equality(column).pads), theirs
