r"""Conditions for JSON texts that PostgreSQL refuses: no JSON at all, or what jsonb has no value for.

ISJSON answers 0 for scalars before SQL Server 2022. A text is one JSON value exactly if it makes an array's
only member and an object's only value: neither alone is enough for ``1,2`` or ``1,"b":2``.
"""

from __future__ import annotations

from blb_migration.sqlserver.expressions import CODE_UNIT_COLLATION

_HEX = "[0-9a-fA-F]"
_HIGH = f"\\u[dD][89abAB]{_HEX}{_HEX}"
_LOW = f"\\u[dD][c-fC-F]{_HEX}{_HEX}"
# A leading half without a trailing one after it; the text ends with a quotation mark.
_LONE_HIGH = tuple(f"%{_HIGH}{other}%" for other in ("[^\\]", "\\[^u]", "\\u[^dD]", "\\u[dD][^c-fC-F]"))
# A trailing half without a leading one in the six characters before it.
_LONE_LOW = tuple(
    f"%{other}{_LOW}%" for other in ("[^\\]_____", "\\[^u]____", "\\u[^dD]___", "\\u[dD][^89abAB]__")
)
_MARGIN = 6
# An exponent of six digits where a number begins; jsonb's numeric has 131,072 digits before the point.
_NUMBERS = ("[0-9]", "[0-9][0-9]", "[0-9].[0-9]", "[0-9].[0-9][0-9]")
_HUGE = tuple(
    f"%[:, [[]{sign}{number}[eE]{exponent_sign}{'[0-9]' * 6}%"
    for sign in ("", "-")
    for number in _NUMBERS
    for exponent_sign in ("", "[+]", "-")
)


def build_not_json_condition(text: str) -> str:
    """Build the condition for a text that is not one JSON value, whatever surrogates it escapes."""
    for prefix in ("\\ud", "\\uD"):  # to some other escape, that halves are not what makes it none
        text = f"REPLACE({text} COLLATE {CODE_UNIT_COLLATION}, N'{prefix}', N'\\u0')"
    return f"(ISJSON(N'[' + {text} + N']') = 0 OR ISJSON(N'{{\"a\":' + {text} + N'}}') = 0)"


def build_escape_condition(text: str, kind: str) -> str:
    """Build the condition for an escape or a number that jsonb refuses."""
    # Escaped backslashes first, so that what follows one is no escape.
    plain = f"REPLACE({text} COLLATE {CODE_UNIT_COLLATION}, N'\\\\', N'  ')"
    if kind == "json_nul":
        return f"CHARINDEX(N'\\u0000', {plain}) > 0"
    patterns = _HUGE if kind == "json_number_outside" else (*_LONE_HIGH, *_LONE_LOW)
    padded = f"N'{' ' * _MARGIN}' + {plain}"
    likes = " OR ".join(f"{padded} LIKE N'{pattern}'" for pattern in patterns)
    # The first is quick and mostly false.
    hint = f"CHARINDEX(N'\\u', {text}) > 0 AND " if kind == "json_lone_surrogate" else ""
    return f"({hint}({likes}))"
