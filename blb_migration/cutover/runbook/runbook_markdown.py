"""The runbook as Markdown: the document that stands in a project's docs before the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.cutover.night_models import STEP_NAMES
from blb_migration.cutover.runbook.runbook_parts import ROLLBACK, Runbook, StepText


def render_markdown(runbook: Runbook, command: str) -> str:
    """Render it. ``command`` is what has made it, and makes it again."""
    return "\n".join(_render(runbook, command)) + "\n"


def _render(runbook: Runbook, command: str) -> Iterator[str]:
    yield f"# The runbook of {runbook.project}"
    yield ""
    yield f"Made by `{command}` from cutover.yaml, the smoke files beside it and"
    yield "the checklists that come with the tool. Do not edit: change those, and make it again. On the day,"
    yield "`blb-migrate runbook` shows where every line stands; `--output runbook.html` makes a page for"
    yield "printing, with who has done what and when."
    yield ""
    yield from _render_placeholders(runbook)
    for number, checklist in enumerate(runbook.checklists, start=1):
        yield f"## {number}. {checklist.title}"
        yield ""
        for item in checklist.items:
            by = (
                f"step [{item.step}](#{item.step})"
                if item.step
                else f"a person: `--tick {item.id} --by NAME`"
            )
            yield f"- [ ] **{item.id}** {item.text} ({by})"
        yield ""
    yield "## The steps of the night"
    yield ""
    yield "`blb-migrate cutover` asks them all and changes nothing; with `--execute` it carries them out."
    yield "A night that was broken off goes on at the open step."
    yield ""
    for step in runbook.steps:
        yield from _render_step(step)
    yield "## Back"
    yield ""
    yield "`blb-migrate rollback` says what it would do; with `--execute` it does it, in this order and only"
    yield "what was begun. It may be repeated."
    yield ""
    yield from (f"{number}. {line}" for number, line in enumerate(runbook.back, start=1))
    yield ""
    yield from _render_replaced(runbook)
    yield "## Troubleshooting"
    yield ""
    yield from _render_table(
        ("what is said", "what is behind it", "what to do"),
        [(one.sign, one.cause, one.act) for one in runbook.troubles],
    )


def _render_placeholders(runbook: Runbook) -> Iterator[str]:
    if not runbook.placeholders:
        return
    yield "## Placeholders"
    yield ""
    yield "These stand for values of the environment. Whoever runs the night sets them; none may be missing."
    yield "Names of services, ports and folders are cutover.yaml's: look at each of them before the night."
    yield ""
    yield from _render_table(
        ("name", "stands in"),
        [(f"`${{{name}}}`", ", ".join(places)) for name, places in runbook.placeholders.items()],
    )
    yield ""


def _render_step(step: StepText) -> Iterator[str]:
    yield f"### {step.name}"
    yield ""
    yield f"{step.title}. Asks first: {step.asks}."
    yield ""
    yield from (f"- {line}" for line in step.does)
    yield f"- taken back by: {step.undone}"
    yield ""


def _render_replaced(runbook: Runbook) -> Iterator[str]:
    if not runbook.replaced:
        return
    yield "## What was done by hand before"
    yield ""
    yield "Each line of the runbook that people followed, as cutover.yaml tells it, and what does it now."
    yield ""
    yield from _render_table(
        ("the old runbook", "now", "how"),
        [(one.line, ", ".join(map(_link, one.by)), one.how) for one in runbook.replaced],
    )
    yield ""


def _link(name: str) -> str:
    if name == ROLLBACK:
        return "[rollback](#back)"
    return f"[{name}](#{name})" if name in STEP_NAMES else f"line **{name}**"


def _render_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{' --- |' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
