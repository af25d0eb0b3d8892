"""The addresses of pages, for a server and for an exported folder.

An id is any text, so it is percent-encoded. One that a browser or a router would misinterpret (`..`, `x.json`), or that
is too long for an address, is replaced by a digest.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Callable, Iterable, Sequence

_LONGEST = 200  # characters of an encoded id; also the limit of file systems for a name
_BY_DIGEST = "~"
_ENDINGS = (".json", ".html")


def segment(name: str) -> str:
    """Return an id or name as one part of a path; different names give different parts."""
    quoted = urllib.parse.quote(name, safe="")
    if name in ("", ".", "..") or name.startswith(_BY_DIGEST) or name.endswith(_ENDINGS) or len(quoted) > _LONGEST:
        return _BY_DIGEST + segment_digest(name)
    return quoted


def segment_digest(name: str) -> str:
    """Return the digest that replaces a name, in hex."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def name_of(part: str, names: Callable[[], Iterable[str]]) -> str:
    """Return the name that a decoded part of a path stands for; `names`: all of them, read for a digest only."""
    if not part.startswith(_BY_DIGEST):
        return part
    return next((name for name in names() if segment(name) == part), part)


def reference(name: str) -> str:
    """Return an id for a query or a form field: itself, or its digest if it is too long for an address."""
    part = segment(name)
    return part if part.startswith(_BY_DIGEST) else name


def schedule_id(name: str) -> str:
    """Return the HTML id of a schedule's section; the recorded trigger of a run may be any text."""
    return f"schedule-{urllib.parse.quote(name, safe='')}"


def path_of(*names: str, query: Iterable[tuple[str, str]] = ()) -> str:
    """Return a path with its query, encoded, without empty values."""
    given = [(name, value) for name, value in query if value]
    path = "/" + "/".join(map(segment, names))
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


class Links:
    """Write the addresses in the links of a page; each method is named after the page that it links to.

    `query`: what the page is asked for, such as the state of runs, without empty values. A method returns an empty text
    if there is no such page: templates then show the name alone.
    """

    def __init__(self, resolve: Callable[[str], str] = str, live: bool = True) -> None:
        """Set how an address is written.

        Args:
          resolve: returns the address for a path of `path_of`; empty if there is no such page.
          live: whether a server responds: only then do pages have forms.
        """
        self.resolve = resolve
        self.live = live

    def runs(self, **query: str) -> str:
        return self.resolve(path_of(query=query.items()))

    def run(self, run_id: str) -> str:
        return self.resolve(path_of("runs", run_id)) if run_id else ""

    def node(self, run_id: str, node: str) -> str:
        return self.resolve(path_of("runs", run_id, "nodes", node)) if run_id and node else ""

    def log(self, run_id: str) -> str:
        return self.resolve(path_of("runs", run_id, "log"))

    def manifest(self, run_id: str) -> str:
        return self.resolve(path_of("runs", run_id, "manifest"))

    def compare(self, run_ids: Sequence[str]) -> str:
        return self.resolve(path_of("compare", query=[("run", reference(run_id)) for run_id in run_ids]))

    def artifacts(self, run: str = "", **query: str) -> str:
        return self.resolve(path_of("artifacts", query={**query, "run": run and reference(run)}.items()))

    def artifact(self, artifact_id: int) -> str:
        return self.resolve(path_of("artifacts", str(artifact_id)))

    def lineage(self, artifact_id: int) -> str:
        return self.resolve(path_of("artifacts", str(artifact_id), "lineage"))

    def picture(self, artifact_id: int, file: str) -> str:
        return self.resolve(path_of("artifacts", str(artifact_id), "pictures", file))

    def file(self, artifact_id: int, name: str) -> str:
        """Link to a file of an artifact. `name` may contain slashes."""
        if {"", ".", ".."} & set(name.split("/")):
            return ""  # browsers would normalize the address
        return self.resolve(f"/artifacts/{artifact_id}/files/{urllib.parse.quote(name)}")

    def models(self, **query: str) -> str:
        return self.resolve(path_of("models", query=query.items()))

    def version(self, number: int) -> str:
        """Link to a version on the first page of versions, where the served one is."""
        page = self.models()
        return f"{page}#version-{number}" if page else ""

    def sweeps(self) -> str:
        return self.resolve("/sweeps")

    def sweep(self, name: str, **query: str) -> str:
        return self.resolve(path_of("sweeps", name, query=query.items()))

    def sweep_file(self, name: str, file: str, **query: str) -> str:
        """Link to a download: the table or the drawings of a sweep; `file`: such as `sweep.csv`."""
        return self.resolve(path_of("sweeps", name, file, query=query.items()))

    def schedules(self) -> str:
        return self.resolve("/schedules")

    def schedule(self, name: str) -> str:
        page = self.schedules()
        return f"{page}#{schedule_id(name)}" if page else ""

    def static(self, name: str) -> str:
        return self.resolve(path_of("static", name))

    def json(self, path: str) -> str:
        return self.resolve(json_path(path))


def json_path(path: str) -> str:
    """Return the path of a page's JSON endpoint."""
    place, mark, query = path.partition("?")
    return f"{'/runs' if place == '/' else place}.json{mark}{query}"
