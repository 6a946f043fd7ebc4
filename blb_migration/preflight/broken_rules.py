"""The target's own rules, asked of the source's rows where they translate, and named where they do not.

CHECKs of tables and domains, and unique indexes over lower(column), are asked. What is left (exclusion
constraints, partitions, expressions in indexes and generated columns, CHECKs of another kind) a dry run
tries, on copies of the tables that have all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.rule_translation import DOMAIN_VALUE, translate_rule
from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.text_equality import find_equality
from blb_migration.postgres.target_rules import TargetRule
from blb_migration.preflight.translated_rules import TranslatedRules
from blb_migration.questions import KeyColumn, UniquenessQuestion
from blb_migration.rule_conditions import RuleQuestion
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.rule_probes import answer_rule_questions

_LOWERED = re.compile(
    r"\(lower\(\(?(?P<name>\"(?:[^\"]|\"\")+\"|\w+)\)?(?:::text)?\)\)(?P<one_null> NULLS NOT DISTINCT)?$"
)


@dataclass
class _Rules:
    """A table's rules: what can be asked, and the names of what cannot."""

    questions: list[RuleQuestion] = field(default_factory=list)
    lowered: list[UniquenessQuestion] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)

    def leave_out(self, translated: TranslatedRules) -> None:
        """Take what is the source's own out of what was not asked."""
        own = {f"check {name}" for name in translated.checks}
        own |= {f"generated column {name}" for name in translated.generated}
        self.not_asked = [words for words in self.not_asked if words not in own]


def add_key_questions(table: TablePlan, rules: Sequence[TargetRule]) -> TablePlan:
    """Return the table with questions about unique lower(column), for the scan that asks about keys."""
    return replace(table, key_questions=(*table.key_questions, *_sort_rules(table, rules).lowered))


def find_broken_rules(
    session: SourceSession, table: TablePlan, rules: Sequence[TargetRule], translated: TranslatedRules
) -> Iterator[Finding]:
    """Yield each rule that rows break, and the rules that were not asked. Raises SourceUnreachable.

    Of those that could not be asked, the ones that are the source's own hold for its rows as they are.
    """
    sorted_rules = _sort_rules(table, rules)
    sorted_rules.leave_out(translated)
    try:
        answers = answer_rule_questions(session, table.source, sorted_rules.questions)
    except SourceUnreachable:
        raise
    except SourceError:
        answers = ()
        sorted_rules.not_asked += [question.name for question in sorted_rules.questions]
    for question, row_count, first_keys in answers:
        if row_count:
            yield Finding(
                Code.TARGET_RULE_BROKEN,
                Severity.ERROR,
                f"{table.label}, {question.name}",
                "rows that this rule of the target refuses",
                "correct these rows at the source, or change the target's rule",
                row_count=row_count,
                first_keys=first_keys,
            )
    if sorted_rules.not_asked:
        yield Finding(
            Code.TARGET_RULES_NOT_ASKED,
            Severity.WARNING,
            table.label,
            "these rules of the target were not asked of the source: " + ", ".join(sorted_rules.not_asked),
            "blb-migrate --dry-run tries them on copies of the tables; rows that break one fail the load",
        )


def _sort_rules(table: TablePlan, rules: Sequence[TargetRule]) -> _Rules:
    found = _Rules()
    by_target = {column.target.name: column for column in table.columns}
    names = {column.name.lower() for column in table.target.columns}
    for check in table.target.checks:
        if not check.enabled:
            continue
        condition = translate_rule(check.expression, by_target)
        if condition is not None:
            found.questions.append(RuleQuestion(check.name, condition))
        elif any(name in check.expression.lower() for name in names):
            found.not_asked.append(f"check {check.name}")
    for rule in rules:
        _sort_rule(table, rule, found)
    return found


def _sort_rule(table: TablePlan, rule: TargetRule, found: _Rules) -> None:
    by_target = {column.target.name: column for column in table.columns}
    own = by_target.get(rule.column or "")
    if rule.kind == "domain":
        if own is None:
            return  # not loaded: its default is the target's own business
        condition = translate_rule(rule.definition, {DOMAIN_VALUE: own})
        if condition is not None:
            found.questions.append(RuleQuestion(f"{rule.name} of {own.target.name}", condition))
            return
    if rule.kind == "unique index" and (lowered := _LOWERED.search(rule.definition)) is not None:
        column = by_target.get(lowered["name"].strip('"').replace('""', '"'))
        if column is not None:
            equality = replace(find_equality(column.target), letters="lower case")
            key = KeyColumn(column.source.name, column.decisions, equality=equality)
            found.lowered.append(
                UniquenessQuestion(rule.name, (key,), nulls_distinct=lowered["one_null"] is None)
            )
            return
    suffix = f" of {rule.column}" if rule.kind == "domain" else ""
    words = rule.name if rule.kind == "partitions" else f"{rule.kind} {rule.name}{suffix}"
    found.not_asked.append(words)
