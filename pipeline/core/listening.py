"""Bind sockets that a program listens on."""

from __future__ import annotations

import socket

from components.errors import cause_text


def bound(host: str, port: int) -> socket.socket:
    """Return a TCP socket that is bound to a name or address of this machine and a port; 0: any free one.

    Raises:
      OSError: the port is in use or forbidden, or the host is none of this machine or cannot be one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    except (OverflowError, UnicodeError, TypeError) as error:  # the last two: no host can have this name
        made.close()
        raise OSError(cause_text(error)) from error
    return made
