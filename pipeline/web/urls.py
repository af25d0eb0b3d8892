"""The addresses of pages. All of them are made here, so that the same templates serve a server and a folder of files.

An id is any text, so it is percent-encoded; one that would mean something else to a browser or to a router (`..`,
`x.json`), or that is too long for an address, is named by a digest.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Callable, Sequence

_LONGEST = 200  # characters of an encoded id in an address; also what file systems take for a name
_BY_DIGEST = "~"
_ENDINGS = (".json", ".html")


def segment(name: str) -> str:
    """An id or name as one part of a path; different names give different parts."""
    quoted = urllib.parse.quote(name, safe="")
    if name in ("", ".", "..") or name.startswith(_BY_DIGEST) or name.endswith(_ENDINGS) or len(quoted) > _LONGEST:
        return _BY_DIGEST + segment_digest(name)
    return quoted


def segment_digest(name: str) -> str:
    """The digest that stands for a name, in hex."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_digest(part: str) -> bool:
    """Whether a decoded part of a path stands for a name that it does not spell out."""
    return part.startswith(_BY_DIGEST)


def reference(name: str) -> str:
    """An id for a query, or for a field of a form: itself, or by digest where it is too long for an address."""
    part = segment(name)
    return part if is_digest(part) else name


def schedule_id(name: str) -> str:
    """The id of a schedule's part of a page. What is recorded of a run may name anything as its schedule."""
    return f"schedule-{urllib.parse.quote(name, safe='')}"


def path_of(*names: str, query: Sequence[tuple[str, str]] = ()) -> str:
    """A path with its query, encoded; empty values are left out of the query."""
    given = [(name, value) for name, value in query if value]
    path = "/" + "/".join(map(segment, names))
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


class Links:
    """Addresses, as a page writes them into its links.

    Every method gives an empty text for what cannot be linked to: pages then show the name alone.
    """

    def __init__(self, resolve: Callable[[str], str] = str, live: bool = True) -> None:
        """Keeps how to write an address.

        Args:
          resolve: from a path with its query to what a link says; empty where there is no such page.
          live: whether a server answers: only then are there forms.
        """
        self._resolve = resolve
        self.live = live

    def runs(self, state: str = "", sort: str = "", order: str = "", start: str = "") -> str:
        """The list of runs."""
        query = (("state", state), ("sort", sort), ("order", order), ("start", start))
        return self._resolve(path_of(query=query))

    def run(self, run_id: str) -> str:
        """One run."""
        return self._resolve(path_of("runs", run_id)) if run_id else ""

    def node(self, run_id: str, node: str) -> str:
        """One node in one run."""
        return self._resolve(path_of("runs", run_id, "nodes", node)) if run_id and node else ""

    def log(self, run_id: str) -> str:
        """The end of a run's log."""
        return self._resolve(path_of("runs", run_id, "log"))

    def manifest(self, run_id: str) -> str:
        """What a run was made from, as it is stored."""
        return self._resolve(path_of("runs", run_id, "manifest"))

    def compare(self, run_ids: Sequence[str]) -> str:
        """Runs beside each other."""
        return self._resolve(path_of("compare", query=[("run", reference(run_id)) for run_id in run_ids]))

    def artifacts(self, type_name: str = "", node: str = "", run: str = "", start: str = "") -> str:
        """The list of artifacts."""
        query = (("type", type_name), ("node", node), ("run", run and reference(run)), ("start", start))
        return self._resolve(path_of("artifacts", query=query))

    def artifact(self, artifact_id: int) -> str:
        """One artifact."""
        return self._resolve(path_of("artifacts", str(artifact_id)))

    def lineage(self, artifact_id: int) -> str:
        """What an artifact was made from, and what was made from it."""
        return self._resolve(path_of("artifacts", str(artifact_id), "lineage"))

    def picture(self, artifact_id: int, file: str) -> str:
        """A picture of an artifact's preview."""
        return self._resolve(path_of("artifacts", str(artifact_id), "pictures", file))

    def file(self, artifact_id: int, name: str) -> str:
        """A file of an artifact. `name` may hold slashes."""
        if {"", ".", ".."} & set(name.split("/")):
            return ""  # no browser would ask for it as it is
        return self._resolve(f"/artifacts/{artifact_id}/files/{urllib.parse.quote(name)}")

    def models(self, start: str = "") -> str:
        """Versions that were pushed."""
        return self._resolve(path_of("models", query=(("start", start),)))

    def version(self, number: int) -> str:
        """The line of a version that is on the first page of them, as the one is that is served."""
        page = self.models()
        return f"{page}#version-{number}" if page else ""

    def schedules(self) -> str:
        """What is planned."""
        return self._resolve("/schedules")

    def schedule(self, name: str) -> str:
        """Its part of the page of schedules."""
        page = self.schedules()
        return f"{page}#{schedule_id(name)}" if page else ""

    def static(self, name: str) -> str:
        """A file of the site itself."""
        return self._resolve(path_of("static", name))

    def twin(self, path: str) -> str:
        """The same page as JSON. `path`: with its query."""
        return self._resolve(twin_of(path))


def twin_of(path: str) -> str:
    """The path of a page's JSON."""
    place, mark, query = path.partition("?")
    return f"{'/runs' if place == '/' else place}.json{mark}{query}"
