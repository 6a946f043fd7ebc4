"""A smoke test's requests against backends that answer badly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blb_migration.cutover.smoke_models import SmokeTest
from blb_migration.cutover.smoke_run import SmokeResult, run_smoke_test

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
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


@pytest.fixture
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Answer], SmokeResult]]:
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)

    def serve(answer: Answer) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
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
    assert (result.is_good, result.said) == (False, "no answer")


def test_an_answer_in_pieces_is_read_whole(ask: Callable[[Answer], SmokeResult]) -> None:
    result = ask(send_in_pieces)
    assert (result.is_good, result.said, result.status) == (True, "", 200)
