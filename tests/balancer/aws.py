"""What stands in for AWS: moto's server for the EC2 API, and a metadata service, version 2, for each instance."""

from __future__ import annotations

import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

REGION = "eu-central-1"


class Metadata:
    """The metadata service of one instance, as a context manager. ``fails`` answers are 503 before it works."""

    def __init__(self, instance: str, fails: int = 0) -> None:
        self.instance = instance
        self.fails = fails
        self.refused = 0
        """How often it was asked without a token."""
        self._token = secrets.token_hex(16)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, headers: Any) -> tuple[int, str]:
        """As the real one: a token for a PUT that says for how long, the document for that token only."""
        if self.fails > 0:
            self.fails -= 1
            return 503, ""
        if (method, path) == ("PUT", "/latest/api/token"):
            return (200, self._token) if headers.get("X-aws-ec2-metadata-token-ttl-seconds") else (400, "")
        if headers.get("X-aws-ec2-metadata-token") != self._token:
            self.refused += 1
            return 401, ""
        if (method, path) == ("GET", "/latest/dynamic/instance-identity/document"):
            return 200, json.dumps({"instanceId": self.instance, "region": REGION, "version": "2017-09-30"})
        return 404, ""


def _handler(metadata: Metadata) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = metadata.answer(self.command, self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
