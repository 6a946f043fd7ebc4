"""Carries out a smoke test: each request or command, what is expected of it, and its undoing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from blb_migration.cutover.commands import CommandFailed, run_command
from blb_migration.cutover.http_request import NoAnswer, send_request
from blb_migration.cutover.smoke_models import Request, SmokeStep, SmokeTest

_WORDS = 200
_REFERENCE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class SmokeResult:
    """One request or command: what was asked, whether it was as expected, and what it said if not."""

    name: str
    is_good: bool
    asked: str
    seconds: float
    status: int | None = None
    said: str = ""
    is_undo: bool = False
    is_log_in: bool = False

    def __str__(self) -> str:
        state = "ok" if self.is_good else "FAILED"
        status = f" {self.status}" if self.status is not None else ""
        said = f": {self.said}" if self.said and not self.is_good else ""
        return f"{state:<6} {self.name}: {self.asked}{status}, {self.seconds:.2f} s{said}"


@dataclass
class _Run:
    base: str
    headers: Mapping[str, str]
    mask: Callable[[str], str]
    folder: Path
    kept: dict[str, str] = field(default_factory=dict)


def run_smoke_test(
    test: SmokeTest,
    mask: Callable[[str], str],
    folder: Path,
    tell: Callable[[SmokeResult], None] = lambda _result: None,
) -> list[SmokeResult]:
    """Return the result of each step up to the first that fails, then of each undoing, the last one first.

    ``tell`` is given each result at once. What was created is undone also when the test is interrupted.
    """
    run = _Run(test.base.rstrip("/"), test.headers, mask, folder)
    results: list[SmokeResult] = []
    undoings: list[tuple[SmokeStep, Request]] = []

    def note(result: SmokeResult) -> None:
        results.append(result)
        tell(result)

    try:
        for step in test.steps:
            result = _carry_out(run, step)
            if step.undo is not None and _is_known(step.undo, run.kept):
                undoings.append((step, step.undo))
            note(result)
            if not result.is_good:
                break
    finally:
        for step, undo in reversed(undoings):
            note(_ask(run, f"undo {step.name}", undo, step, is_undo=True))
    return results


def _carry_out(run: _Run, step: SmokeStep) -> SmokeResult:
    if step.request is not None:
        return _ask(run, step.name, step.request, step)
    assert step.command is not None
    try:
        outcome = run_command(step.command, run.mask, f"smoke step {step.name}", run.folder)
    except CommandFailed as error:
        return SmokeResult(step.name, False, "command", 0.0, None, error.found, is_log_in=step.log_in)
    said = _judge(run, step, outcome.output)
    return SmokeResult(step.name, not said, outcome.shown, outcome.seconds, None, said, is_log_in=step.log_in)


def _ask(run: _Run, name: str, request: Request, step: SmokeStep, *, is_undo: bool = False) -> SmokeResult:
    begun = time.monotonic()
    path = _fill(request.path, run.kept)
    asked = f"{request.method} {path}"
    headers = {
        key: _fill(value, run.kept)
        for key, value in {**run.headers, **request.headers}.items()
        if set(_REFERENCE.findall(value)) <= run.kept.keys()
    }
    try:
        answer = send_request(
            request.method,
            run.base + path,
            request.within_seconds,
            headers=headers,
            form=_fill_all(request.form, run.kept) if request.form is not None else None,
            body=_fill_all(request.body, run.kept) if request.body is not None else None,
        )
    except NoAnswer as error:
        seconds = time.monotonic() - begun
        said = run.mask(str(error))
        return SmokeResult(name, False, run.mask(asked), seconds, None, said, is_undo, step.log_in)
    seconds = time.monotonic() - begun
    said = ""
    if answer.status not in request.status:
        wanted = " or ".join(map(str, request.status))
        said = f"expected {wanted}; it said: {_shorten(answer.text)}"
        if answer.redirects_to is not None:
            said = f"expected {wanted}; it redirects to {answer.redirects_to}, which is not followed"
    elif not is_undo:
        said = _judge(run, step, answer.text)
    return SmokeResult(
        name, not said, run.mask(asked), seconds, answer.status, run.mask(said), is_undo, step.log_in
    )


def _judge(run: _Run, step: SmokeStep, text: str) -> str:
    """Keep what the step keeps, and say what is not as expected; nothing if all is."""
    if not step.expect and not step.keep:
        return ""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return f"the answer is no JSON: {_shorten(text)}"
    try:
        for key, expression in step.keep.items():
            value = jmespath.search(expression, document)
            if value is None:
                return f"the answer has no {expression}: {_shorten(text)}"
            run.kept[key] = value if isinstance(value, str) else json.dumps(value)
        for expression in step.expect:
            if jmespath.search(_fill(expression, run.kept), document) is not True:
                return f"not true: {expression}; it said: {_shorten(text)}"
    except JMESPathError as error:
        return f"{expression} is no JMESPath expression ({' '.join(str(error).split())[:100]})"
    return ""


def _is_known(request: Request, kept: Mapping[str, str]) -> bool:
    return set(_REFERENCE.findall(request.path)) <= kept.keys()


def _fill(text: str, kept: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: kept.get(match[1], match[0]), text)


def _fill_all(value: Any, kept: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill_all(item, kept) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_all(item, kept) for item in value]
    return _fill(value, kept) if isinstance(value, str) else value


def _shorten(text: str) -> str:
    words = " ".join(text.split())
    return words[:_WORDS] + ("..." if len(words) > _WORDS else "")
