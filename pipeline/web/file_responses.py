"""Files of a root, as answers: only from inside it, only up to a size, and never as a page that could run a script."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import stat

from pipeline.core.errors import NotFoundError
from pipeline.web.formatting import size

LARGEST = 32 * 1024 * 1024  # bytes; the largest files of a run on MNIST are shards of 10,000 images, about 3 MiB
TAIL = 256 * 1024  # bytes of a log
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (".csv", ".json", ".jsonl", ".log", ".md", ".pbtxt", ".toml", ".txt")
REPORT = "report.html"


class TooLargeError(Exception):
    """A file that is too large to be sent; the message says where it is."""


@dataclasses.dataclass(frozen=True)
class Content:
    """A file.

    Attributes:
      body: all of it, or its end.
      type: media type.
      download: name under which a browser stores it; empty: it is shown.
      page: whether it is a page of its own, which has to be kept in a sandbox.
    """

    body: bytes
    type: str
    download: str = ""
    page: bool = False


def read(root: pathlib.Path, path: pathlib.Path, page: bool = False) -> Content:
    """A file that lies in a root.

    Args:
      root: the folder outside of which nothing is read.
      path: of the file.
      page: whether a file called `report.html` may be shown as a page.

    Raises:
      NotFoundError: there is none, or it lies elsewhere: a link that leads out, `..`, a device.
      TooLargeError: it is larger than is sent.
    """
    body = _bytes(root, path, LARGEST)
    if path.suffix == ".png" and body.startswith(_PNG):
        return Content(body, "image/png")
    if page and path.name == REPORT:
        return Content(body, "text/html; charset=utf-8", page=True)
    if path.suffix.lower() in _TEXTS:
        return Content(body, "text/plain; charset=utf-8")
    return Content(body, "application/octet-stream", download=path.name)


def read_tail(root: pathlib.Path, path: pathlib.Path) -> Content:
    """The end of a text file, beginning with a whole line; says how much was left out. Raises as `read` does."""
    body = _bytes(root, path, TAIL, tail=True)
    whole = path.stat().st_size
    if whole > len(body):
        body = body.partition(b"\n")[2]
        body = f"[the last {size(len(body))} of {size(whole)}; all of it: {path}]\n".encode() + body
    return Content(body, "text/plain; charset=utf-8")


def _bytes(root: pathlib.Path, path: pathlib.Path, most: int, tail: bool = False) -> bytes:
    try:
        real = pathlib.Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(root)):
            raise NotFoundError(f"no file {path.name} in this pipeline root")
        # No link any more, and no waiting for a pipe that nobody writes to.
        with open(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError
            if status.st_size > most:
                if not tail:
                    found = size(status.st_size)
                    raise TooLargeError(
                        f"the file {path.name} has {found}, at most {size(most)} are sent: it is at {path}"
                    )
                file.seek(-most, os.SEEK_END)
            return file.read(most)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise NotFoundError(f"no file {path.name} in this pipeline root") from error
