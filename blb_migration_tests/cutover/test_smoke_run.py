"""A smoke test's requests against backends that answer badly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pysqlbridge.certificate import self_signed, server_context

from blb_migration.cutover.smoke_models import SmokeTest
from blb_migration.cutover.smoke_run import SmokeResult, run_smoke_test

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
asked: list[bytes] = []  # what the backend was asked in this test
Answer = Callable[[socket.socket, threading.Event], None]


def trickle(connection: socket.socket, over: threading.Event) -> None:
    """Send a byte of a long answer ten times a second."""
    connection.sendall(_HEAD + b"Content-Length: 1000\r\n\r\n")
    while not over.wait(0.1):
        connection.sendall(b" ")


def break_off(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(_HEAD + b'Content-Length: 1000\r\n\r\n{"id"')


def send_in_pieces(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for piece in ('{"name": "Bücher, ', '5 €"}'):
        over.wait(0.05)
        connection.sendall(f"{len(piece.encode()):x}\r\n".encode() + piece.encode() + b"\r\n")
    connection.sendall(b"0\r\n\r\n")


def trickle_its_head(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.1):
        connection.sendall(b"H")


def answering(body: bytes, content_type: str = "application/json") -> Answer:
    """Return a backend that sends the body whole."""

    def answer(connection: socket.socket, _over: threading.Event) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


def redirect(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 307 Go\r\nLocation: https://production/books\r\nContent-Length: 0\r\n\r\n")


def never_end(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(_HEAD + b"\r\n")
    while not over.is_set():
        connection.sendall(b" " * 2**20)


@pytest.fixture
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Answer], SmokeResult]]:
    over = threading.Event()
    asked.clear()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)

    def serve(answer: Answer) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            asked.append(connection.recv(65_536))
            answer(connection, over)

    def ask_once(answer: Answer) -> SmokeResult:
        server = threading.Thread(target=serve, args=(answer,))
        server.start()
        test = SmokeTest.model_validate(
            {
                "base": f"http://127.0.0.1:{listener.getsockname()[1]}",
                "steps": [
                    {
                        "name": "books",
                        "request": {"path": "/books", "within_seconds": 1},
                        "expect": ["name == 'Bücher, 5 €'"],
                    }
                ],
            }
        )
        [result] = run_smoke_test(test, str, tmp_path)
        over.set()
        server.join()
        return result

    yield ask_once
    listener.close()


@pytest.mark.alone
def test_a_backend_that_sends_a_byte_now_and_then_is_given_up_in_time(
    ask: Callable[[Answer], SmokeResult],
) -> None:
    begun = time.monotonic()
    result = ask(trickle)
    assert (result.is_good, result.said) == (False, "no answer within 1 s")
    assert time.monotonic() - begun < 5


def test_an_answer_that_is_broken_off_is_none(ask: Callable[[Answer], SmokeResult]) -> None:
    result = ask(break_off)
    assert (result.is_good, result.said) == (False, "no answer (it broke off)")


def test_an_answer_in_pieces_is_read_whole(ask: Callable[[Answer], SmokeResult]) -> None:
    result = ask(send_in_pieces)
    assert (result.is_good, result.said, result.status) == (True, "", 200)


@pytest.mark.alone
def test_a_backend_that_never_ends_its_head_is_given_up_in_time(ask: Callable[[Answer], SmokeResult]) -> None:
    begun = time.monotonic()
    result = ask(trickle_its_head)
    assert (result.is_good, result.said) == (False, "no answer within 1 s")
    assert time.monotonic() - begun < 5


def test_an_answer_without_end_is_not_kept_in_memory(ask: Callable[[Answer], SmokeResult]) -> None:
    result = ask(never_end)
    assert (result.is_good, result.said) == (False, "no answer that ends (it is longer than 16 MB)")


def test_a_redirect_is_told_and_not_followed(ask: Callable[[Answer], SmokeResult]) -> None:
    result = ask(redirect)
    said = "expected 200; it redirects to https://production/books, which is not followed"
    assert (result.is_good, result.status, result.said) == (False, 307, said)


NAMED = '{"name": "Bücher, 5 €"}'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (NAMED.encode(), "text/plain"),
        (NAMED.encode(), "application/json; charset=klingon"),
        (NAMED.encode(), "application/json; charset=hex"),
        (NAMED.encode(), ""),
        (NAMED.encode("cp1252"), "application/json; charset=windows-1252"),
        (NAMED.encode("utf-8-sig"), "application/json; charset=utf-8"),
        (NAMED.encode("utf-16"), "application/json"),
    ],
)
def test_an_answer_is_read_in_its_own_letters(
    ask: Callable[[Answer], SmokeResult], body: bytes, content_type: str
) -> None:
    result = ask(answering(body, content_type))
    assert (result.is_good, result.said) == (True, "")


@pytest.mark.parametrize("body", [b"[" * 200_000, b"\xff\xfe\xfd", b"<html>", b"", b"1" * 10_000])
def test_what_is_no_json_is_said(ask: Callable[[Answer], SmokeResult], body: bytes) -> None:
    result = ask(answering(body))
    assert not result.is_good
    assert result.said.startswith("the answer is no JSON")


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    context = server_context(self_signed("localhost", validity_days=1))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(65_536)

    server = threading.Thread(target=serve)
    server.start()
    base = f"https://127.0.0.1:{listener.getsockname()[1]}"
    test = {"base": base, "steps": [{"name": "books", "request": {"path": "/books"}}]}
    [result] = run_smoke_test(SmokeTest.model_validate(test), str, tmp_path)
    server.join()
    listener.close()
    assert not result.is_good
    assert "certificate" in result.said
    assert "REQUESTS_CA_BUNDLE" in result.said


def test_the_environments_proxy_and_log_ins_are_for_other_machines(
    ask: Callable[[Answer], SmokeResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ana password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    result = ask(answering(NAMED.encode()))
    assert (result.is_good, result.said) == (True, "")
    assert b"Authorization" not in asked[0]


def test_a_kept_value_that_no_request_can_carry_is_said(
    ask: Callable[[Answer], SmokeResult], tmp_path: Path
) -> None:
    test = SmokeTest.model_validate(
        {
            "base": "http://127.0.0.1:9",
            "steps": [
                {"name": "books", "request": {"path": "/", "headers": {"Authorization": "Bearer 5 €"}}}
            ],
        }
    )
    [result] = run_smoke_test(test, str, tmp_path)
    assert not result.is_good
    assert result.said.startswith("no answer (")
