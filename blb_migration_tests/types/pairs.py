"""Which SQL Server type is carried into which PostgreSQL type here, by which values, and what must arrive.

Values are written as in the zoo (``sandbox/zoo/rows.py``). What must arrive is worked out by rules of its
own, not by the product's: the target's value is asked for as text, in a form chosen per kind.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Literal

from hypothesis import strategies as st

Rule = Callable[[Any], str]


@dataclass(frozen=True)
class Pair:
    """``golden`` maps boundary values to the text that the target gives; ``rule`` does so for any value.

    ``as_text`` is the target's SQL for a value's text, with {} for the column; ``decision`` says what the
    pair means, where a person must.
    """

    source: str
    target: str
    values: st.SearchStrategy[Any]
    rule: Rule
    golden: dict[Any, str]
    as_text: str = "{}::text"
    collation: str | None = None
    decision: str | None = None

    @property
    def name(self) -> str:
        """For test ids."""
        collation = f" {self.collation.rsplit('_', 1)[1]}" if self.collation else ""
        return f"{self.source}{collation} into {self.target}{f' by {self.decision}' if self.decision else ''}"


def integers(source: str, target: str, low: int, high: int, golden: dict[Any, str]) -> Pair:
    return Pair(source, target, st.integers(low, high), str, golden)


def decimals(source: str, target: str, digits: int, scale: int, golden: dict[Any, str]) -> Pair:
    def spell(value: str) -> str:
        with localcontext(prec=50):
            return f"{Decimal(value).quantize(Decimal(1).scaleb(-scale)):f}"

    def from_unscaled(number: int) -> str:
        with localcontext(prec=50):
            return f"{Decimal(number).scaleb(-scale):f}"

    limit = {"money": 2**63 - 1, "smallmoney": 2**31 - 1}.get(source, 10**digits - 1)
    return Pair(source, target, st.integers(-limit, limit).map(from_unscaled), spell, golden)


def floats(source: str, target: str, width: Literal[32, 64], golden: dict[Any, str]) -> Pair:
    # The bits of the value, since text may round and -0 equals 0.
    code = ">f" if width == 32 else ">d"
    send = "float4send" if width == 32 and target == "real" else "float8send"
    code_sent = ">f" if send == "float4send" else ">d"

    def spell(value: float) -> str:
        (exact,) = struct.unpack(code, struct.pack(code, value))
        return struct.pack(code_sent, exact).hex()

    values = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return Pair(source, target, values, spell, golden, f"encode({send}({{}}), 'hex')")


CODE_PAGE_1252 = "".join(
    chr(code)
    for code in range(1, 0x2123)
    if chr(code).encode("cp1252", "ignore") and chr(code).encode("cp1252").decode("cp1252") == chr(code)
)
# The emulator keeps halves of surrogate pairs as these private characters (emulator/tsql/surrogates.py).
_EMULATORS_OWN = "".join(map(chr, range(0x10F000, 0x10F800)))
_UNICODE = st.characters(exclude_categories=["Cs"], exclude_characters="\0" + _EMULATORS_OWN)


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, encoding: str, byte_count: int) -> str:
    """Return what fits, without half a character at the end."""
    return text.encode(encoding)[:byte_count].decode(encoding, "ignore")


def texts(
    source: str,
    target: str,
    golden: dict[Any, str],
    *,
    pad_to: int | None = None,
    collation: str | None = None,
) -> Pair:
    declared = source.partition("(")[2].rstrip(")")
    length = int(declared) if declared.isdigit() else 40
    if source.startswith("n"):
        values = st.text(_UNICODE, max_size=length).map(lambda text: _cut(text, "utf-16-le", 2 * length))
    elif collation is not None:
        values = st.text(_UNICODE, max_size=length).map(lambda text: _cut(text, "utf-8", length))
    else:
        values = st.text(CODE_PAGE_1252, max_size=length)

    def spell(text: str) -> str:
        if pad_to is None:
            return text
        units = _utf16_units(text) if source.startswith("n") else len(text)
        return text + " " * (pad_to - units)

    return Pair(source, target, values, spell, golden, "{}", collation)


def documents(source: str, target: str, golden: dict[Any, str]) -> Pair:
    leaves = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(_UNICODE, max_size=10)
    trees = st.dictionaries(st.text(_UNICODE, max_size=5), leaves, max_size=5) | st.lists(leaves, max_size=5)

    def canonical(text: str) -> str:
        return json.dumps(json.loads(text), sort_keys=True)

    return Pair(source, target, trees.map(json.dumps), canonical, golden, "{}::text")


def markup(target: str, golden: dict[Any, str]) -> Pair:
    content = st.text(st.characters(categories=("L", "N", "Zs")), max_size=30)
    return Pair("xml", target, content.map(lambda text: f'<a b="{text}">{text}</a>'), str, golden)


def binaries(source: str, golden: dict[Any, str], *, length: int, pads: bool = False) -> Pair:
    def spell(value: bytes) -> str:
        return (value.ljust(length, b"\0") if pads else value).hex()

    sizes = {"min_size": length} if source == "rowversion" else {}
    values = st.binary(max_size=length, **sizes)
    return Pair(source, "bytea", values, spell, golden, "encode({}, 'hex')")


_MOMENT = "to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')"
_FIRST_DAYS = {"datetime": dt.datetime(1753, 1, 1), "smalldatetime": dt.datetime(1900, 1, 1)}
_LAST_DAYS = {"smalldatetime": dt.datetime(2079, 6, 6, 23, 59)}


def moments(source: str, target: str, digits: int, golden: dict[Any, str]) -> Pair:
    """``digits`` behind the second at the source; what is finer than microseconds is cut off."""
    kind = source.partition("(")[0]

    @st.composite
    def draw_moment(draw: st.DrawFn) -> str:
        moment = draw(
            st.datetimes(_FIRST_DAYS.get(kind, dt.datetime.min), _LAST_DAYS.get(kind, dt.datetime.max))
        )
        clock = moment.strftime("%H:%M:") + ("00" if kind == "smalldatetime" else f"{moment.second:02}")
        fraction = draw(st.integers(0, 10**digits - 1)) if digits else 0
        if kind == "datetime":  # thirds of a hundredth of a second, shown as .xx0, .xx3, .xx7
            fraction = fraction // 10 * 10 + draw(st.sampled_from((0, 3, 7)))
        text = f"{moment.date().isoformat()} {clock}"
        return f"{text}.{fraction:0{digits}}" if digits else text

    def spell(text: str) -> str:
        whole, _, fraction = text.partition(".")
        return f"{whole}.{fraction[:6].ljust(6, '0')}"

    return Pair(source, target, draw_moment(), spell, golden, _MOMENT)


def instants(digits: int, target: str, golden: dict[Any, str]) -> Pair:
    @st.composite
    def draw_instant(draw: st.DrawFn) -> str:
        # Both the local time and the one in UTC must lie in the years 1 to 9999.
        local = draw(st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)))
        offset = draw(st.integers(-14 * 60, 14 * 60))
        fraction = draw(st.integers(0, 10**digits - 1)) if digits else 0
        text = f"{local.date().isoformat()} {local:%H:%M:%S}" + (f".{fraction:0{digits}}" if digits else "")
        return f"{text} {'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"

    def spell(text: str) -> str:
        local_text, _, offset = text.rpartition(" ")
        whole, _, fraction = local_text.partition(".")
        sign = -1 if offset[0] == "-" else 1
        ahead = sign * dt.timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        moment = dt.datetime.fromisoformat(whole) - ahead
        return f"{moment.isoformat(' ')}.{fraction[:6].ljust(6, '0')}"

    as_text = _MOMENT.replace("{}", "{} AT TIME ZONE 'UTC'")
    return Pair(f"datetimeoffset({digits})", target, draw_instant(), spell, golden, as_text)


def local_times(zone: str, golden: dict[Any, str]) -> Pair:
    """Return instants as the local times of ``zone``, while its rules are the ones that zoneinfo knows."""

    def spell(text: str) -> str:
        whole, offset = text.rsplit(" ", 1)
        return (
            dt.datetime.fromisoformat(f"{whole}{offset}")
            .astimezone(zoneinfo.ZoneInfo(zone))
            .strftime("%Y-%m-%d %H:%M:%S.%f")
        )

    ahead = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
    moments = st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2399, 1, 1), timezones=ahead)
    values = moments.map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S.%f} {moment.isoformat()[-6:]}")
    return Pair("datetimeoffset(6)", "timestamp", values, spell, golden, _MOMENT, None, f"zone: {zone}")


def clocks(digits: int, target: str, golden: dict[Any, str]) -> Pair:
    @st.composite
    def draw_clock(draw: st.DrawFn) -> str:
        clock = draw(st.times())
        fraction = draw(st.integers(0, 10**digits - 1)) if digits else 0
        return f"{clock:%H:%M:%S}" + (f".{fraction:0{digits}}" if digits else "")

    def spell(text: str) -> str:
        whole, _, fraction = text.partition(".")
        return f"{whole}.{fraction[:6].ljust(6, '0')}"

    return Pair(
        f"time({digits})", target, draw_clock(), spell, golden, "to_char({}::interval, 'HH24:MI:SS.US')"
    )
