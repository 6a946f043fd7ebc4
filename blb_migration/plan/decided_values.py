"""A person's decisions about a column's values, made concrete for its pair of columns, or refused.

``decisions.yaml`` says "round"; this module says "round to 2 digits, since the target is numeric(10,2)".
A decision that answers no risk of the pair is a warning, a value that would not fit is an error: then
nothing is applied and the risk refuses as if nothing had been decided.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Column, ColumnType
from blb_migration.plan.decisions import ColumnDecision, Replacement
from blb_migration.plan.risks import build_questions, target_fraction_digits
from blb_migration.plan.type_pairs import Conversion, find_rule
from blb_migration.questions import Question
from blb_migration.types import (
    EXACT_NUMBERS,
    TARGET_TYPES,
    Family,
    decimal_shape,
    look_up_source,
    name_source_types,
    name_target_types,
)
from blb_migration.value_decisions import (
    REPLACEMENT_CHARACTER,
    DecidedHazard,
    DecisionAction,
    ValueDecision,
)

_KEYS: dict[str, str] = {
    "is_null": "on_null",
    "decimal_finer_than": "on_too_precise",
    "fraction_finer_than": "on_too_precise",
    "float_finer_than": "on_too_precise",
    "inexact_as_float": "on_too_precise",
    "has_time_of_day": "on_time_of_day",
    "contains_nul": "on_nul_character",
    "json_nul": "on_nul_character",
    "json_lone_surrogate": "on_lone_surrogate",
    "lone_surrogate": "on_lone_surrogate",
    "text_longer_than": "on_too_long",
}
_BITS = {"0": "false", "1": "true", "false": "false", "true": "true"}
_MEANINGS: dict[str, DecisionAction] = {
    "zone": "zone",
    "true": "true",
    "false": "false",
    "byte_order": "byte_order",
    "as": "as",
}
_NUMBERS = name_source_types(*EXACT_NUMBERS)
_INTEGERS = name_target_types(Family.INTEGER)
_MOMENTS = name_source_types(Family.TIMESTAMP, Family.INSTANT)
_TEXTS = (*name_source_types(Family.TEXT, Family.DOCUMENT), "sql_variant")


def decide_meanings(decision: ColumnDecision, source: ColumnType, target: ColumnType) -> list[ValueDecision]:
    """Return what was decided about the meaning of a pair of types, as far as the pair needs it."""
    rule = find_rule(source, target)
    if rule is None:
        return []
    wanted = ("as",) if rule.conversion is Conversion.JSON else rule.needs
    is_padded = look_up_source(source).is_padded
    return [
        ValueDecision("meaning", _MEANINGS[key], decision.reason or "", v.rstrip(" ") if is_padded else v)
        for key, values in decision.meanings.items()
        if key in wanted
        for v in values
    ]


class _Unfit(Exception):
    """A decision that cannot be carried out; the message says why."""


def decide_values(
    subject: str, decision: ColumnDecision, source: Column, target: Column
) -> tuple[tuple[ValueDecision, ...], list[Finding]]:
    """Return the rules for this pair, in the order in which they are applied, and what is wrong with the
    rest."""
    wanted = decision.value_decisions
    decided: list[ValueDecision] = []
    findings: list[Finding] = []
    used: set[str] = set()
    meanings = decide_meanings(decision, source.type, target.type)
    decided += meanings
    used.update(meaning.action for meaning in meanings)
    findings += [
        _refuse(subject, key, why) for key, why in _iterate_unfit_words(meanings, source.type, target.type)
    ]
    for question in build_questions(source, target, meanings):
        key = _KEYS.get(question.kind)
        if key is None or key not in wanted or (key in used and not question.kind.startswith("json_")):
            continue
        used.add(key)
        try:
            decided.append(_decide(question, wanted[key], decision.reason or "", source, target))
        except _Unfit as reason:
            findings.append(_refuse(subject, key, str(reason)))
    for key in (*wanted, *decision.meanings):
        if key not in used:
            findings.append(
                Finding(
                    Code.DECISION_WITHOUT_EFFECT,
                    Severity.WARNING,
                    subject,
                    f"'{key}' is decided, but {source.type} into {target.type}"
                    f"{'' if target.nullable else ' NOT NULL'} raises no such question",
                    "remove the decision",
                )
            )
    return tuple(sorted(decided, key=lambda item: _ORDER[item.covers])), findings


def _refuse(subject: str, key: str, reason: str) -> Finding:
    return Finding(
        Code.DECISION_DOES_NOT_FIT,
        Severity.ERROR,
        subject,
        f"'{key}' cannot be carried out: {reason}",
        "correct it in decisions.yaml",
    )


def _iterate_unfit_words(
    meanings: list[ValueDecision], source: ColumnType, target: ColumnType
) -> Iterator[tuple[str, str]]:
    """Yield the keys whose words a bit cannot become, with the reason; a text may have many words."""
    if source.name != "bit":
        return
    for key in ("true", "false"):
        words = [meaning.value or "" for meaning in meanings if meaning.action == key]
        if len(words) > 1:
            yield key, f"a bit becomes one word, not one of {', '.join(map(repr, words))}"
        elif words and target.length is not None and len(words[0]) > target.length:
            yield key, f"{words[0]!r} has {len(words[0])} characters, {target} holds {target.length}"
        elif words and "\0" in words[0]:
            yield key, "its word holds U+0000"


# Cleaning comes before cutting, filling last: a filled value is never changed again.
_ORDER: dict[DecidedHazard, int] = {
    "meaning": -1,
    "contains_nul": 0,
    "lone_surrogate": 1,
    "json_nul": 1,
    "json_lone_surrogate": 1,
    "text_longer_than": 2,
    "decimal_finer_than": 3,
    "fraction_finer_than": 4,
    "has_time_of_day": 4,
    "float_finer_than": 4,
    "inexact_as_float": 4,
    "is_null": 5,
}


def _decide(  # noqa: PLR0911  # one case after the other
    question: Question, wanted: str | Replacement, reason: str, source: Column, target: Column
) -> ValueDecision:
    first = question.arguments[0] if question.arguments else None
    limit = first if isinstance(first, int) else None
    match question.kind, wanted:
        case "is_null", Replacement(text):
            return ValueDecision("is_null", "fill", reason, _fit_value(text, source.type, target.type))
        case ("contains_nul" | "json_nul") as kind, Replacement(text):
            return ValueDecision(kind, "replace", reason, _fit_characters(text))
        case ("contains_nul" | "json_nul") as kind, "strip":
            return ValueDecision(kind, "strip", reason)
        case ("lone_surrogate" | "json_lone_surrogate") as kind, "replace":
            return ValueDecision(kind, "replace", reason, REPLACEMENT_CHARACTER)
        case "float_finer_than", "round":
            return ValueDecision("float_finer_than", "round", reason, limit=limit)
        case "inexact_as_float", "round":
            return ValueDecision("inexact_as_float", "round", reason, target.type.name)
        case "has_time_of_day", "truncate":
            return ValueDecision("has_time_of_day", "truncate", reason)
        case "decimal_finer_than", "round":
            return ValueDecision("decimal_finer_than", "round", reason, limit=limit)
        case ("decimal_finer_than" | "fraction_finer_than" | "text_longer_than") as kind, "truncate":
            return ValueDecision(kind, "truncate", reason, limit=limit)
    raise _Unfit("fractions of a second can only be truncated")


def _fit_characters(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _Unfit("its replacement holds U+0000 or half a surrogate pair itself")
    return text


def _fit_value(text: str, source: ColumnType, target: ColumnType) -> str:
    """``text`` in canonical form, if it is a value of both types."""
    try:
        return _canonical(text, source, target)
    except (ValueError, InvalidOperation):
        raise _Unfit(f"{text!r} is no value of {source}") from None


def _canonical(text: str, source: ColumnType, target: ColumnType) -> str:
    canonical: str | None = None
    if source.name == "bit":
        canonical = _BITS.get(text.lower())
    elif source.name in _NUMBERS:
        canonical = _canonical_number(text, source, target)
    elif source.name in ("float", "real"):
        canonical = repr(float(text)) if math.isfinite(float(text)) else None
    elif source.name in _TEXTS:
        canonical = _fit_text(text, target)
    elif source.name == "uniqueidentifier":
        canonical = str(uuid.UUID(text))
    elif source.name == "date":
        canonical = datetime.date.fromisoformat(text).isoformat()
    elif source.name == "time":
        canonical = _fit_fraction(datetime.time.fromisoformat(text).isoformat(), target)
    elif source.name in _MOMENTS:
        canonical = _fit_fraction(_read_moment(text, source).isoformat(), target)
    else:
        raise _Unfit(f"{source} cannot be filled with a value")
    if canonical is None:
        raise ValueError(text)
    return canonical


def _fit_text(text: str, target: ColumnType) -> str | None:
    if target.name in _INTEGERS:
        low, high = TARGET_TYPES[target.name].range or (0, 0)
        return text if text == str(int(text)) and low <= int(text) <= high else None
    if target.name == "date":
        return text if text == datetime.date.fromisoformat(text).isoformat() else None
    if target.length is not None and len(text) > target.length:
        raise _Unfit(f"{text!r} has {len(text)} characters, {target} holds {target.length}")
    return _fit_characters(text)


def _read_moment(text: str, source: ColumnType) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if source.name == "datetimeoffset":
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).astimezone(datetime.UTC)
    if moment.tzinfo is not None:
        raise _Unfit(f"{text!r} has a time zone, {source} has none")
    return moment


def _canonical_number(text: str, source: ColumnType, target: ColumnType) -> str:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    if target.name == "boolean" and value not in (0, 1):
        raise _Unfit(f"{text!r} is neither 0 nor 1, the target is boolean")
    precision, scale = decimal_shape(source)
    whole_digits = precision - scale
    if target.name == "numeric" and target.precision is not None:
        whole_digits = min(whole_digits, target.precision - (target.scale or 0))
        scale = min(scale, target.scale or 0)
    elif target.name != "numeric":
        scale = 0
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > scale:
        raise _Unfit(f"{text!r} has more than {scale} digits after the point")
    if abs(value) >= 10**whole_digits:
        raise _Unfit(f"{text!r} has more than {whole_digits} digits before the point")
    return f"{value:f}"


def _fit_fraction(text: str, target: ColumnType) -> str:
    fraction = text.partition(".")[2].split("+")[0].rstrip("0")
    if len(fraction) > target_fraction_digits(target):
        raise _Unfit(f"{text!r} has finer fractions of a second than {target} keeps")
    return text
