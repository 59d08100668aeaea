"""One HTTP request on one connection, with a time-out, and a note of what came of it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any, TextIO


@dataclass
class Sent:
    """What a client knows of one request. `action` groups the requests of one intention."""

    request_id: str
    user: str
    kind: str
    action: int
    method: str
    path: str
    job: int | None
    draft: str | None
    sent_ns: int
    done_ns: int = 0
    status: int | None = None
    outcome: str = "answered"


@dataclass
class Client:
    """One user at one address."""

    port: int
    name: str
    token: str
    address: str
    notes: TextIO

    async def send(
        self,
        method: str,
        path: str,
        *,
        kind: str,
        action: int,
        job: int | None = None,
        body: dict[str, Any] | None = None,
        timeout_s: float = 30.0,
    ) -> tuple[Sent, Any]:
        """Send, wait at most `timeout_s`, note it; the answer's JSON, or None."""
        draft = body.get("result", {}).get("draft") if body else None
        sent = Sent(uuid.uuid4().hex, self.name, kind, action, method, path, job, draft, time.time_ns())
        answer = None
        try:
            async with asyncio.timeout(timeout_s):
                sent.status, answer = await self._exchange(method, path, sent.request_id, body)
        except TimeoutError:
            sent.outcome = "timeout"
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            sent.outcome = f"broken: {error!r}"
        sent.done_ns = time.time_ns()
        self.notes.write(json.dumps(asdict(sent)) + "\n")
        return sent, answer

    async def _exchange(
        self, method: str, path: str, request_id: str, body: dict[str, Any] | None
    ) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            content = b"" if body is None else json.dumps(body).encode()
            writer.write(self._head(method, path, request_id, len(content)) + content)
            await writer.drain()
            head, _, answer = (await reader.read(-1)).partition(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            return status, json.loads(answer) if status < 500 else None
        finally:
            writer.close()

    def _head(self, method: str, path: str, request_id: str, length: int) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\n"
            "Host: localhost\r\n"
            f"Authorization: Token {self.token}\r\n"
            f"X-Forwarded-For: {self.address}\r\n"
            f"X-Request-ID: {request_id}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {length}\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
