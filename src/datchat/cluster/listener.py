"""The socket on which people reach the cluster."""

from __future__ import annotations

import errno
import socket

from datchat.errors import ConfigurationError


def listen(host: str, port: int) -> socket.socket:
    """
    The socket on which the load balancer will listen, bound before anything is started.

    It is this machine's even when the load balancer runs in a network of its own: what a socket belongs to is settled
    when it is made.

    Raises:
        ConfigurationError: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(_refusal(host, port, error)) from None
    return listener


def _refusal(host: str, port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"no right to listen on port {port}: choose one above 1023 with --port"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what listens there or choose another with --port"
    return f"can't listen on {host}: {error.strerror or error}; choose another address with --host"
