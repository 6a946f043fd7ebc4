"""An alert reaches a real mail server and a real webhook, and no address is ever shown."""

from __future__ import annotations

import logging

import pytest

from blb_migration.alerts.addresses import Address, read_addresses
from blb_migration.alerts.message import Alert, build_alert, build_run_link
from blb_migration.alerts.sending import AlertNotSent, send
from blb_migration.cli.main import main
from blb_migration.errors import ConfigurationError
from blb_migration_tests.alerts.receivers import TOKEN, Mailbox, Webhook

ALERT = build_alert(
    "failure",
    "shop: rehearsal failed",
    reason="orders: the check 'total' says no",
    next_act="Settle it, then run again.",
    places={"environment": "rehearsal", "source": "SQL Server erp:1433/SHOP", "run": "r-1"},
    link="http://ui.example/runs/r-1",
)


def test_an_alert_names_reason_next_act_places_and_page() -> None:
    assert ALERT.body == (
        "orders: the check 'total' says no\n"
        "Next: Settle it, then run again.\n\n"
        "Environment: rehearsal\nSource: SQL Server erp:1433/SHOP\nRun: r-1\n"
        "http://ui.example/runs/r-1"
    )


@pytest.mark.parametrize(
    "said",
    [
        "users: 3 rows break it [3 rows, first: mail=anna@example.com, mail=b].c@x]. Next: settle it",
        "users: others have changed 2 rows; first mail=anna@example.com, mail=b@example.com. Expected none.",
        "duplicate key. Key (mail)=(anna@example.com) already exists",
        "orders_fk: 2 rows have no parent, first Customer No=anna@example.com",
    ],
)
def test_no_row_of_anybody_is_in_it(said: str) -> None:
    alert = build_alert("failure", "x", reason=said, next_act=said, places={"source": "a"})
    assert "example.com" not in alert.body
    assert said[:10] in alert.body


def test_no_password_is_in_it_and_it_is_short() -> None:
    said = "cannot connect to mssql://sa:hunter2@erp/SHOP\n" + "and so on " * 200
    alert = build_alert("failure", said[:80], reason=said, places={})
    assert "hunter2" not in alert.title + alert.body
    assert len(alert.body) < 700


def test_a_link_is_there_where_somebody_said_where_the_pages_are() -> None:
    assert build_run_link("https://move.example/", "r-1") == "https://move.example/runs/r-1"
    assert build_run_link(None, "r-1") is None


def test_a_webhook_gets_title_text_and_kind(webhook: Webhook) -> None:
    send(ALERT, Address(1, webhook.url))
    [post] = webhook.posts
    assert (post["title"], post["message"], post["type"]) == (ALERT.title, ALERT.body, "failure")
    assert post["path"] == f"/{TOKEN}"


def test_a_mail_server_gets_a_letter(mailbox: Mailbox) -> None:
    send(ALERT, Address(1, mailbox.url))
    [letter] = mailbox.letters
    assert letter["Subject"] == ALERT.title
    assert letter["To"] == "team@example.com"
    [text] = mailbox.texts
    for fact in ("orders: the check", "Settle it", "erp:1433/SHOP", "http://ui.example/runs/r-1"):
        assert fact in text


def test_a_service_that_refuses_is_named_without_its_address(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.is_down = True
    address = Address(2, webhook.url)
    with caplog.at_level(logging.DEBUG), pytest.raises(AlertNotSent) as caught:
        send(ALERT, address)
    assert str(caught.value).startswith(
        "alert 'shop: rehearsal failed': address 2 (json) did not take it: Failed to send JSON POST"
    )
    assert "503" in str(caught.value)
    assert TOKEN not in str(caught.value) + repr(address) + caplog.text


def test_a_service_that_is_gone_is_an_error_and_none_of_its_parts_are_shown() -> None:
    with pytest.raises(AlertNotSent, match=r"address 1 \(json\) did not take it") as caught:
        send(ALERT, Address(1, "json://user:geheim@127.0.0.1:9/seg-ment"))
    for part in ("geheim", "127.0.0.1", "seg-ment", "user:"):
        assert part not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "gibtsnicht://geheim", "slack://geheim"])
def test_an_address_that_apprise_cannot_use_is_bad_configuration(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BLB_ALERT_URLS, address 3") as caught:
        send(ALERT, Address(3, url))
    assert "geheim" not in str(caught.value)


def test_addresses_stand_between_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_addresses() == ()
    monkeypatch.setenv("BLB_ALERT_URLS", "  mailto://a@b.example?to=c@d.example,e@f.example\n json://x  ")
    assert [str(address) for address in read_addresses()] == ["address 1 (mailto)", "address 2 (json)"]


def test_the_command_tries_each_address(
    webhook: Webhook, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alert", "--test"]) == 2
    assert "BLB_ALERT_URLS: it is not set" in capsys.readouterr().err
    monkeypatch.setenv("BLB_ALERT_URLS", f"{mailbox.url} {webhook.url}")
    monkeypatch.setenv("BLB_UI_URL", "https://move.example")
    assert main(["alert"]) == 0
    assert webhook.posts == []
    assert main(["alert", "--test"]) == 0
    said = capsys.readouterr().out
    assert "address 1 (mailto): sent" in said and "address 2 (json): sent" in said
    assert "https://move.example" in said
    assert TOKEN not in said and "team@" not in said
    assert webhook.titles == ["blb-migrate: a test, nothing has failed"]
    assert len(mailbox.letters) == 1
    webhook.is_down = True
    assert main(["alert", "--test"]) == 1
    told = capsys.readouterr()
    assert "address 1 (mailto): sent" in told.out and "address 2" not in told.out
    assert "address 2 (json) did not take it" in told.err and TOKEN not in told.err


def test_an_alert_that_is_kept_comes_back_as_it_was() -> None:
    assert Alert.from_json(ALERT.to_json()) == ALERT
