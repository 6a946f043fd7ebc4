"""What can go wrong, as rows to plant: one entry per hazard that data can carry.

``Hazard`` names them; its number is the row of the project's list of hazards. ``PLANTINGS`` says what each
adds to the zoo. Hazards of servers, drivers and the target alone (a read that breaks off, another tool's
COPY) are not data and not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from blb_migration.model import Table, TableName
from blb_migration.sandbox.zoo.declare import Exhibit, Value, column, primary_key, rows_of
from blb_migration.sandbox.zoo.odd_names import LONGEST_NAME
from blb_migration.sandbox.zoo.shapes import DEVICES, MEASURES, PEOPLE, REPAIRS, WIDE

SEVERAL_MEGABYTES = 5 * 1024 * 1024
PLANTED_ID = 1000


class Hazard(Enum):
    """A hazard that rows can carry, with its number in the list of hazards and a word of its own."""

    NUL_IN_TEXT = (1, "U+0000 in a string")
    EXACT_MONEY = (2, "money that a float would round")
    SEVENTH_DIGIT = (4, "datetime2(7), time(7): the seventh digit")
    DAYLIGHT_SAVING = (5, "a local time that does not exist")
    LOST_OFFSET = (6, "datetimeoffset with an offset")
    CASE_TWINS = (7, "a reference in other letters than its parent's key")
    TRAILING_SPACES = (8, "a reference with trailing spaces its parent's key lacks")
    IDENTITY_AHEAD = (9, "an identity far ahead of the rows")
    ORPHANS = (14, "rows without parents under a WITH NOCHECK key")
    SPARSE_KEYS = (20, "negative and far apart keys")
    LONE_SURROGATE = (21, "half a surrogate pair")
    CODE_PAGE = (22, "letters of code page 1252")
    LARGE_VALUE = (23, "values of several megabytes")
    FRACTION_TOO_FINE = (26, "more decimal digits than the target keeps")
    NUMBER_TOO_LARGE = (26, "more digits before the point than the target keeps")
    TEXT_TOO_LONG = (26, "a text longer than the target's column")
    NULL_IN_REQUIRED = (26, "NULL where the target is NOT NULL")
    NOT_JSON = (26, "a text that is not JSON for a jsonb column")
    KEY_POINTS_ELSEWHERE = (27, "a value that the target's other parent lacks")
    ONLY_AT_SOURCE = (28, "a table the target lacks")
    BOOKKEEPING_TABLE = (31, "the application's own table of schema migrations")
    COPY_MARKERS = (32, "what COPY's text format takes for something else")
    NAMES_COLLIDE = (33, "two names that agree in their first 63 bytes")

    def __init__(self, number: int, description: str) -> None:
        self.number = number
        self.description = description


@dataclass(frozen=True)
class Planting:
    """What a hazard adds: rows to tables of the zoo, tables of its own, positions of identities."""

    rows: Mapping[TableName, tuple[Mapping[str, Value], ...]] = field(default_factory=dict)
    exhibits: tuple[Exhibit, ...] = ()
    last_identities: Mapping[TableName, int] = field(default_factory=dict)


def _measure(offset: int, *more: Mapping[str, Value], **values: Value) -> Planting:
    """Rows of shop.measures with ids of their own; what must not be NULL there is filled."""
    rows = tuple(
        {"id": PLANTED_ID + 10 * offset + number, "unit": "mm"} | dict(row)
        for number, row in enumerate((values, *more))
    )
    return Planting({MEASURES: rows})


def _build_extra(name: str) -> Exhibit:
    table = Table(
        TableName("dbo", name),
        (column("id", "int", required=True), column("note", "nvarchar(50)")),
        primary_key=primary_key("extra", "id"),
    )
    return Exhibit(table, rows_of("id note", (1, "left over"), (2, None)))


_TOWNS = TableName("keys", "towns")
_ALEMBIC = Exhibit(
    Table(
        TableName("dbo", "alembic_version"),
        (column("version_num", "varchar(32)", required=True),),
        primary_key=primary_key("alembic_version", "version_num"),
    ),
    ({"version_num": "001_mssql"},),
)

PLANTINGS: Mapping[Hazard, Planting] = {
    Hazard.NUL_IN_TEXT: _measure(1, {"label": "\0"}, notes="a\0b"),
    Hazard.EXACT_MONEY: _measure(2, price="7082761.6900", amount="7082761.6900"),
    Hazard.SEVENTH_DIGIT: _measure(
        3,
        {"opens": "23:59:59.9999999"},
        {"zoned_at": "2024-02-29 12:34:56.0000001 +02:00"},
        taken_at="2024-02-29 12:34:56.1234567",
    ),
    Hazard.DAYLIGHT_SAVING: _measure(4, taken_at="2024-03-31 02:30:00"),
    Hazard.LOST_OFFSET: _measure(5, zoned_at="2024-10-27 02:30:00 +02:00"),
    Hazard.CASE_TWINS: Planting({_TOWNS: ({"name": "Aachen", "country": "de"},)}),
    Hazard.TRAILING_SPACES: Planting({_TOWNS: ({"name": "Ulm", "country": "DE  "},)}),
    Hazard.IDENTITY_AHEAD: Planting(last_identities={PEOPLE: 90_000}),
    Hazard.ORPHANS: Planting(
        {REPAIRS: rows_of("id device_code spare_code", (404, "gone", None), (405, "away", None))}
    ),
    Hazard.SPARSE_KEYS: Planting(
        {WIDE: ({"id": -(2**63)}, {"id": 2**63 - 1, "column_249": True}, {"id": -1})}
    ),
    Hazard.LONE_SURROGATE: _measure(6, {"label": "\ude00 low"}, notes="high \ud83d"),
    Hazard.CODE_PAGE: _measure(7, local_text="ÄÖÜäöüß€“”…ŸžŠ"),
    Hazard.LARGE_VALUE: _measure(
        8, notes="Größe 世" * (SEVERAL_MEGABYTES // 8), content=b"\x00\xff\x10" * (SEVERAL_MEGABYTES // 3)
    ),
    Hazard.FRACTION_TOO_FINE: _measure(9, {"amount": "-0.0001"}, amount="1.2345"),
    Hazard.NUMBER_TOO_LARGE: _measure(10, amount="100000000.0000"),
    Hazard.TEXT_TOO_LONG: _measure(11, {"label": "🧵" * 11}, label="01234567890"),
    Hazard.NULL_IN_REQUIRED: _measure(12, unit=None),
    Hazard.NOT_JSON: _measure(13, {"settings": ""}, settings="{not json}"),
    Hazard.KEY_POINTS_ELSEWHERE: Planting(
        {DEVICES: ({"code": "only"},), REPAIRS: ({"id": 500, "spare_code": "only"},)}
    ),
    Hazard.ONLY_AT_SOURCE: Planting(exhibits=(_build_extra("left_over"),)),
    Hazard.BOOKKEEPING_TABLE: Planting(exhibits=(_ALEMBIC,)),
    Hazard.COPY_MARKERS: _measure(
        14,
        {"notes": "\\."},
        {"notes": ""},
        {"notes": "a\tb\nc\rd\x0be"},
        {"notes": "\"quoted\",'it''s'"},
        {"notes": "NULL"},
        notes="\\N",
    ),
    Hazard.NAMES_COLLIDE: Planting(exhibits=(_build_extra(LONGEST_NAME[:-1] + "z"),)),
}
