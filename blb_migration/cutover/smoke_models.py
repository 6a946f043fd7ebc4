"""What may stand in smoke.yaml: requests and commands in the order a person would try them. Does nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from blb_migration.cutover.night_models import Command, NightModel, Seconds, Text

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


class Request(NightModel):
    """One HTTP request. ``{name}`` stands for a value kept before; ``path`` is below ``base``."""

    method: Method = "GET"
    path: Annotated[str, Field(pattern=r"^/")]
    headers: dict[str, str] = {}
    form: dict[str, str] | None = None
    body: object = None
    status: list[int] = [200]
    within_seconds: Seconds = 30

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        if self.form is not None and self.body is not None:
            raise ValueError("a request has a form or a body, not both")
        return self


class SmokeStep(NightModel):
    """A request or a command, what must be true of its answer, what is kept of it, and how it is undone.

    ``expect`` and ``keep`` are JMESPath expressions (https://jmespath.org) over the answer's JSON: each of
    ``expect`` must be true, each of ``keep`` gives a name its value. ``log_in`` marks the step that logs in:
    when it fails, the usual causes are looked for. ``undo`` requests run at the end, the last one first,
    also when a later step fails; they need what this step has kept.
    """

    name: Text
    request: Request | None = None
    command: Command | None = None
    expect: list[Text] = []
    keep: dict[Text, Text] = {}
    undo: Request | None = None
    log_in: bool = False

    @model_validator(mode="after")
    def _is_one_of_both(self) -> SmokeStep:
        if (self.request is None) == (self.command is None):
            raise ValueError("a smoke step is a request or a command: give one of the two")
        return self


class SmokeTest(NightModel):
    """The whole of smoke.yaml. ``base`` is where the backend under test answers.

    ``headers`` go with every request once all that they name has been kept.
    """

    base: Annotated[str, Field(pattern=r"^https?://\S+$")]
    headers: dict[str, str] = {}
    steps: list[SmokeStep] = Field(min_length=1)
