"""cutover.yaml and smoke.yaml as files: ``${NAME}`` replaced, secrets refused, faults named by file and line.

What may stand in them is in ``night_models`` and ``smoke_models``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from blb_migration.cutover.night_models import NightSettings
from blb_migration.cutover.smoke_models import SmokeTest
from blb_migration.errors import ConfigurationError
from blb_migration.masking import MASK, is_secret_name, mask_secrets
from blb_migration.near_names import suggest
from blb_migration.plan.decisions_file import (
    DecisionFault,
    Location,
    refuse_faults,
)
from blb_migration.plan.yaml_document import load_yaml, read_yaml_text

CUTOVER_FILE = "cutover.yaml"
CORRECT_THE_LINE = "Correct the line ('blb-migrate docs cutover' explains each key)"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\$")

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class ReadFile:
    """A file's text, and the values that must never be shown."""

    path: Path
    text: str
    secrets: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class NightFile:
    """cutover.yaml, read. Files that it names are looked for beside it (``find``)."""

    path: Path
    settings: NightSettings
    secrets: frozenset[str] = field(repr=False)

    def find(self, file: Path) -> Path:
        """Return where a file that cutover.yaml names is."""
        return file if file.is_absolute() else self.path.parent / file


def read_cutover_file(folder: Path, environment: Mapping[str, str] | None = None) -> NightFile:
    """Read the project folder's cutover.yaml. Raises ConfigurationError naming file, line and what is wrong.

    ``environment`` None: the process's own.
    """
    path = folder / CUTOVER_FILE
    read, settings = _read(path, NightSettings, os.environ if environment is None else environment)
    return NightFile(path, settings, read.secrets)


def read_smoke_file(
    path: Path, environment: Mapping[str, str] | None = None
) -> tuple[SmokeTest, frozenset[str]]:
    """Read a file of smoke steps, and what in it is secret. Raises ConfigurationError."""
    read, smoke = _read(path, SmokeTest, os.environ if environment is None else environment)
    return smoke, read.secrets


def _read(path: Path, model: type[ModelT], environment: Mapping[str, str]) -> tuple[ReadFile, ModelT]:
    text = read_yaml_text(
        path,
        expected=f"a file that describes the night ({CUTOVER_FILE}) or its smoke test",
        next_act="Write it ('blb-migrate docs cutover' explains each key), or name another --project",
    )
    name = str(path)
    root, document = load_yaml(text, name)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{name}, line 1",
            found=f"the file holds {type(document).__name__}, not keys",
            expected=f"keys: {', '.join(model.model_fields)}",
            next_act=CORRECT_THE_LINE,
        )
    expansion = _Expansion(environment)
    document = expansion.replace(document, ())
    if expansion.faults:
        refuse_faults(name, root, expansion.faults)
    try:
        return ReadFile(path, text, frozenset(expansion.secrets)), model.model_validate(document)
    except ValidationError as error:
        faults = [_describe(one, model, expansion.secrets) for one in error.errors()]
        refuse_faults(name, root, faults)


class _Expansion:
    """Replaces ``${NAME}`` in every text, and notes what of it is secret and what is missing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.secrets: set[str] = set()
        self.faults: list[DecisionFault] = []

    def replace(self, value: Any, location: Location) -> Any:
        """Return ``value`` with all references replaced, however deep they lie."""
        if isinstance(value, dict):
            return {key: self.replace(item, (*location, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self.replace(item, (*location, number)) for number, item in enumerate(value)]
        return self._replace_text(value, location) if isinstance(value, str) else value

    def _replace_text(self, text: str, location: Location) -> str:
        key = str(location[-1]) if location else ""
        self._refuse_secret(text, key, location)
        expanded = _REFERENCE.sub(lambda match: self._look_up(match, location), text)
        if is_secret_name(key) and expanded != text:
            self.secrets.add(expanded)
        return expanded

    def _look_up(self, match: re.Match[str], location: Location) -> str:
        name = match[1]
        if name is None:  # $$ is a dollar
            return "$"
        if name not in self.environment:
            self.faults.append(
                DecisionFault(
                    location,
                    f"${{{name}}} is not set in the environment",
                    f"a variable {name} in the environment of this command",
                    f"Set {name}, then run again; a text ${{ that is meant so is written $${{",
                )
            )
            return ""
        value = self.environment[name]
        if is_secret_name(name):
            self.secrets.add(value)
        return value

    def _refuse_secret(self, text: str, key: str, location: Location) -> None:
        is_password = (
            is_secret_name(key) and text and not _REFERENCE.search(text) and location[-2:-1] == ("set",)
        )
        masked = mask_secrets(text)
        has_password = masked != text and not _REFERENCE.search(text)
        if is_password or has_password:
            self.faults.append(
                DecisionFault(
                    location,
                    f"{'.'.join(str(part) for part in location)} holds a password",
                    "a reference to the environment, such as ${DB_PASSWORD}",
                    "Put the secret into the environment and name it here as ${NAME}",
                )
            )


def _describe(error: ErrorDetails, model: type[BaseModel], secrets: set[str]) -> DecisionFault:
    named = tuple(part for part in error["loc"] if part != "[key]")
    location, place = _follow(named, model)
    where = ".".join(str(part) for part in location) or "the file"
    found = mask_secrets(error["msg"].removeprefix("Value error, "), secrets)
    keys = ", ".join(place.model_fields)
    expected = (
        f"one of the keys {keys}" if error["type"] == "extra_forbidden" else f"what is documented for {keys}"
    )
    if error["type"] == "extra_forbidden":
        found = f"unknown key {str(location[-1])!r}{suggest(str(location[-1]), tuple(place.model_fields))}"
    elif error["type"] == "missing":
        expected = f"the key {location[-1]!r}; keys here are: {keys}"
    elif isinstance(error.get("input"), str | int | float):
        found += f" (found {mask_secrets(str(error['input']), secrets) or MASK!r})"
    return DecisionFault(location, f"{where}: {found}", expected, CORRECT_THE_LINE)


def _follow(named: Location, model: type[BaseModel]) -> tuple[Location, type[BaseModel]]:
    """Return pydantic's location without what stands in no file, and the model it ends in."""
    location: list[int | str] = []
    place, annotation = model, None
    for part in named:
        if isinstance(part, str) and annotation is not None and part in _tags(annotation):
            continue  # pydantic's name for the member of a union
        location.append(part)
        if isinstance(part, str) and part in place.model_fields:
            annotation = place.model_fields[part].annotation
            inner = next(_models_in(annotation), None)
            place = inner or place
    return tuple(location), place


def _tags(annotation: Any) -> set[str]:
    if get_origin(annotation) in (Union, UnionType):
        return {
            "str",
            "constrained-str",
            *(str(one).split("[")[0] for one in get_args(annotation)),
            "list[constrained-str]",
        }
    return set()


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from _models_in(one)
