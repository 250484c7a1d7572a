"""
Exit code 0 when the node of this container says yes to /healthz, or what is asked instead (`alive.py /readyz`), within
two seconds: the image's health check.

It runs every few seconds beside every node, so it imports next to nothing (`python3 -IS`: 15 ms, where `datchat` takes
400). What it asks is whether the process lives: a store that is away is no reason to start a node again.
"""

import os
import socket
import sys

path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
try:
    with socket.create_connection(("127.0.0.1", int(os.environ["DATCHAT_PORT"])), 2) as node:
        node.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = node.recv(64)
except OSError as error:
    raise SystemExit(f"no answer: {error}") from None
if b" 200 " not in answer:
    raise SystemExit(f"no 200: {answer!r}")
