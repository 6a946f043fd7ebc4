"""DuckDB macros that the compiled SQL leans on: ticks, dates, text lengths, failing conversions.

Installed once per engine. Ticks are 100 ns since 0001-01-01, as in ``results``; a time of day
(``tod``) is ticks since midnight. ``tsql_fail`` raises with a marker that ``server_errors`` reads.
A macro's argument is written out wherever it is named; a list of one binds a long one to a name instead.
"""

from __future__ import annotations

DAY_TICKS = 864_000_000_000
UNIX_EPOCH_TICKS = 621_355_968_000_000_000
MAX_TICKS = 3_155_378_975_999_999_999
DATETIME_MIN_TICKS = 552_877_920_000_000_000
ERROR_MARKER = "TSQL|"

_DATE = (
    r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{4})(\d{2})(\d{2})|"
    r"(\d{1,2})/(\d{1,2})/(\d{4})|(\d{4})/(\d{1,2})/(\d{1,2})"
)
_TIME = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.](\d{1,7}))?)?"
_OFFSET = r"(?:Z|([+-])(\d{2}):?(\d{2}))?"
_PATTERN = rf"^\s*(?:{_DATE})?(?:[T\s]*{_TIME})?\s*{_OFFSET}\s*$"
_FIELDS = "y1 m1 d1 y2 m2 d2 m3 d3 y3 y4 m4 d4 h mi s f sign oh om"
_FIELD_LIST = ",".join(f"'{name}'" for name in _FIELDS.split())

_MACROS = rf"""
tsql_fail(source, value, message) AS
  coalesce(value, CASE WHEN source IS NULL THEN NULL ELSE error('{ERROR_MARKER}' || message) END)
tsql_day(t) AS DATE '0001-01-01' + CAST(t // {DAY_TICKS} AS INTEGER)
tsql_date_ticks(d) AS CAST(d - DATE '0001-01-01' AS BIGINT) * {DAY_TICKS}
tsql_local(o) AS o.ticks + CAST(o.offset_minutes AS BIGINT) * 600000000
tsql_pad(s, n) AS rpad(s, CAST(greatest(length(s), n) AS INTEGER), ' ')
tsql_units(s) AS CASE WHEN strlen(s) = length(s) THEN length(s)
  WHEN NOT regexp_matches(s, '[\x{{10000}}-\x{{10EFFF}}\x{{10F800}}-\x{{10FFFF}}]') THEN length(s)
  ELSE length(s)
    + length(regexp_replace(s, '[^\x{{10000}}-\x{{10EFFF}}\x{{10F800}}-\x{{10FFFF}}]', '', 'g')) END
tsql_pad_units(s, n) AS rpad(s, CAST(length(s) + greatest(n - tsql_units(s), 0) AS INTEGER), ' ')
tsql_two(n) AS lpad(CAST(n AS VARCHAR), 2, '0')
tsql_date_text(d) AS strftime(d, '%Y-%m-%d')
tsql_clock(tod) AS strftime(make_timestamp(tod // 10), '%H:%M:%S')
tsql_fraction(tod, digits) AS
  CASE WHEN digits = 0 THEN '' ELSE '.' || left(lpad(CAST(tod % 10000000 AS VARCHAR), 7, '0'), digits) END
tsql_offset_text(m) AS
  CASE WHEN m < 0 THEN '-' ELSE '+' END || tsql_two(abs(m) // 60) || ':' || tsql_two(abs(m) % 60)
tsql_round_ticks(t, unit) AS (t + unit // 2) // unit * unit
tsql_to_datetime(t) AS t // 10000000 * 10000000 + ((t % 10000000 * 3 + 50000) // 100000 * 10 + 1) // 3 * 10000
tsql_from_datetime(t) AS
  t // 10000000 * 10000000 + (((t % 10000000) * 3 + 50000) // 100000 * 100000 + 1) // 3
tsql_fields(s) AS regexp_extract(s, '{_PATTERN}', [{_FIELD_LIST}])
tsql_fields_date(p) AS CASE WHEN p.y1 || p.y2 || p.y3 || p.y4 <> ''
  THEN try_cast(lpad(p.y1 || p.y2 || p.y3 || p.y4, 4, '0') || '-' || lpad(p.m1 || p.m2 || p.m3
  || p.m4, 2, '0')
    || '-' || lpad(p.d1 || p.d2 || p.d3 || p.d4, 2, '0') AS DATE)
  WHEN p.h <> '' THEN DATE '1900-01-01' END
tsql_fields_tod(p) AS CASE WHEN p.h = '' THEN 0::BIGINT
  WHEN CAST(p.h AS INTEGER) < 24 AND CAST(p.mi AS INTEGER) < 60 AND coalesce(try_cast(p.s AS INTEGER), 0) < 60
  THEN CAST(p.h AS BIGINT) * 36000000000 + CAST(p.mi AS BIGINT) * 600000000
    + coalesce(try_cast(p.s AS BIGINT), 0) * 10000000 + CAST(rpad(p.f, 7, '0') AS BIGINT) END
tsql_fields_offset(p) AS CASE WHEN p.sign = '' THEN 0
  ELSE (CASE WHEN p.sign = '-' THEN -1 ELSE 1 END) * (CAST(p.oh AS BIGINT) * 60 + CAST(p.om AS BIGINT)) END
tsql_parse_ticks(s) AS CASE WHEN trim(s) = '' THEN 599266080000000000
  ELSE list_transform([tsql_fields(s)],
    lambda p: tsql_date_ticks(tsql_fields_date(p)) + tsql_fields_tod(p))[1] END
tsql_parse_offset(s) AS list_transform([tsql_fields(s)], lambda p: tsql_fields_offset(p))[1]
tsql_guid_text(b) AS substr(hex(b), 1, 8) || '-' || substr(hex(b), 9, 4) || '-' || substr(hex(b), 13, 4)
  || '-' || substr(hex(b), 17, 4) || '-' || substr(hex(b), 21, 12)
tsql_guid_key(b) AS
  substr(hex(b), 21, 12) || substr(hex(b), 17, 4) || substr(hex(b), 15, 2) || substr(hex(b), 13, 2)
  || substr(hex(b), 11, 2) || substr(hex(b), 9, 2) || substr(hex(b), 7, 2) || substr(hex(b), 5, 2)
  || substr(hex(b), 3, 2) || substr(hex(b), 1, 2)
tsql_parse_guid(s) AS CASE WHEN regexp_full_match(s,
    '\{{?[0-9A-Fa-f]{{8}}-[0-9A-Fa-f]{{4}}-[0-9A-Fa-f]{{4}}-[0-9A-Fa-f]{{4}}-[0-9A-Fa-f]{{12}}\}}?.*')
  THEN from_hex(left(regexp_replace(s, '[^0-9A-Fa-f]', '', 'g'), 32)) END
tsql_unscaled(d) AS CAST(replace(CAST(d AS VARCHAR), '.', '') AS HUGEINT)
"""


def macro_statements() -> list[str]:
    """Return the CREATE statements, in an order in which each knows those it uses."""
    definitions: list[str] = []
    for line in _MACROS.strip().splitlines():
        if line.startswith("tsql_"):
            definitions.append(line)
        else:
            definitions[-1] += " " + line.strip()
    return [f"CREATE MACRO {definition}" for definition in definitions]
