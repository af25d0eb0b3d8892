"""Ask an HTTP server of a cluster, which may be another program: its answer has a limit in time and size."""

from __future__ import annotations

import time

_SECONDS = 10.0  # for the whole answer
_MOST = 16 * 2**20  # bytes
_PART = 65_536  # bytes read at once


def of(url: str, method: str = "GET", seconds: float = _SECONDS) -> bytes:
    """Return the body of an answer. It is asked for without a proxy: a cluster is in the same network.

    Args:
      url: what is asked for.
      method: of HTTP.
      seconds: for the whole answer.

    Raises:
      urllib.error.HTTPError: the server answers with another status than 200.
      OSError: nothing answers, or the answer does not end in time, or is too long.
      http.client.HTTPException, ValueError: the answer is not HTTP, or the address cannot be one.
    """
    import urllib.request  # with TLS and the parser of mail: every run and plan imports this module

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end, body = time.monotonic() + seconds, bytearray()
    with opener.open(urllib.request.Request(url, method=method), timeout=seconds) as answer:
        while part := answer.read1(_PART):  # what has arrived: `read` waits for each part anew, without a limit of all
            body += part
            if len(body) > _MOST or time.monotonic() > end:
                raise OSError("its answer does not end")
    return bytes(body)
