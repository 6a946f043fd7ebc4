"""What alerts are sent to in tests: a real SMTP server, and a web server that takes Apprise's JSON."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

TOKEN = "tok3n-of-the-webhook"


@dataclass
class Webhook:
    """What came in. ``is_down`` makes it answer 503."""

    port: int = 0
    posts: list[dict[str, Any]] = field(default_factory=list)
    is_down: bool = False

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [post["title"] for post in self.posts]

    def take(self) -> list[dict[str, Any]]:
        """Return what has come since the last time."""
        posts, self.posts = self.posts, []
        return posts


@contextmanager
def receiving_json() -> Iterator[Webhook]:
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not webhook.is_down:
                webhook.posts.append({**json.loads(body), "path": self.path, "came_at": time.time()})
            self.send_response(503 if webhook.is_down else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    webhook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """Letters as a mail server has taken them."""

    port: int = 0
    letters: list[email.message.EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=erp@example.com&to=team@example.com&mode=insecure"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        letter: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append(letter)
        return "250 taken"

    @property
    def texts(self) -> list[str]:
        return [
            str(letter.get_body(("plain", "html")).get_content())  # type: ignore[union-attr]
            for letter in self.letters
        ]


@contextmanager
def receiving_mail() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        mailbox.port = listener.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
