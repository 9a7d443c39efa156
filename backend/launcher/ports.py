"""Ports on this machine: which are free, and a socket that listens before its server runs."""

from __future__ import annotations

import errno
import socket

from backend.launcher.refusals import CannotGoOn

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listening_socket(host: str, port: int) -> socket.socket:
    """Bound and listening, so that a taken port is known at once and a server that restarts makes
    nobody's connection fail. Raises CannotGoOn."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    # Connections of an earlier run that linger in TIME_WAIT do not make a port taken.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise CannotGoOn(_why(host, port, error)) from None
    except OverflowError:
        listening.close()
        raise CannotGoOn(f"--port {port}: a port is a number from 0 to 65535") from None
    return listening


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken by another program: stop it, or choose another port with "
            f"--port (0 takes any free one)"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used by this user; choose one above 1023 with --port"
    return f"cannot listen on {host}:{port}: {error.strerror or error}; see --host and --port"
