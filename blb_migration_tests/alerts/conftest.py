"""Receivers that are there for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blb_migration.settings.variable_list import iterate_variables
from blb_migration_tests.alerts.receivers import Mailbox, Webhook, receiving_json, receiving_mail


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with receiving_json() as webhook:
        yield webhook


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with receiving_mail() as mailbox:
        yield mailbox


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in iterate_variables():
        monkeypatch.delenv(variable.name, raising=False)
