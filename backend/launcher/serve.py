"""The web server process: uvicorn on a socket that the launcher opened.

    python -m backend.launcher.serve FILE_NUMBER

The launcher keeps the socket, so that nobody's connection is refused while the server restarts.
"""

from __future__ import annotations

import socket
import sys

import uvicorn


def main() -> None:
    listening = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        "backend.asgi:application",
        # Frames are compressed already; deflating them again costs the server most of its time.
        ws_per_message_deflate=False,
        access_log=False,
        log_level="info",
        timeout_graceful_shutdown=3,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
