"""Installed packages: which distributions contain a module, and what they require. No package is imported."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.core.project import LOCK
from pipeline.provenance import remembered

if TYPE_CHECKING:
    import importlib.metadata

OWN = "sae-pipeline"
_RUNS = "pipeline"  # its extra with the packages that run the pipeline

_LOCKED_NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
_HEADER = re.compile(r"^(Name|Version|Requires-Dist):[ \t]*(.*)$", re.MULTILINE)
_END_OF_HEADERS = re.compile(r"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
# Most requirements belong to extras that are not requested; this is visible without parsing the marker.
_OF_AN_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)""")
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_SEPARATORS = re.compile(r"[-_.]+")
_SITES = frozenset(("site-packages", "dist-packages"))
_TOP = re.compile(r"\n([^/.,\n]+)[/.]")  # of a path in a RECORD


@dataclasses.dataclass(frozen=True)
class _Installed:
    """A distribution, from its metadata."""

    name: str  # normalised
    version: str
    requires: tuple[str, ...]  # requirements as they are written, markers and all
    distribution: importlib.metadata.Distribution


def closure(names: Iterable[str]) -> dict[str, str]:
    """Return the versions, by name, of these distributions and of everything installed that they require, at any depth.

    A requirement counts if its marker holds here; that of an extra only if the extra is requested.

    Args:
      names: names of distributions, in any spelling; `name[extra]` for one extra of it.
    """
    wanted = frozenset(names)
    return dict(remembered.answer("closure", sorted(wanted), lambda: _versions(remembered.search_path(), wanted)))


def _versions(path: tuple[str, ...], names: frozenset[str]) -> dict[str, str]:
    installed = _installed(path)
    return {name: installed[name].version for name in sorted(_closure(path, names)) if name in installed}


@functools.cache
def _closure(path: tuple[str, ...], names: frozenset[str]) -> frozenset[str]:
    waiting = [
        (_normalised(name), _normalised(extra.rstrip("]")))
        for name, _, extra in (text.partition("[") for text in names)
    ]
    seen = set(waiting)
    while waiting:
        for wanted in _required(path, *waiting.pop()):
            if wanted not in seen:
                seen.add(wanted)
                waiting.append(wanted)
    return frozenset(name for name, _ in seen)


def installed_runtime() -> dict[str, str]:
    """Return the versions, by name, of the packages that this project needs to run, without tools for development.

    If the project itself is not installed, the packages of the lock count; without a lock, all installed packages.
    """
    found = closure([OWN, f"{OWN}[{_RUNS}]"])
    if OWN in found:
        del found[OWN]
        return found
    if LOCK.is_file():
        return closure(_LOCKED_NAME.findall(LOCK.read_text(encoding="utf-8")))
    return closure(_installed(remembered.search_path()))


def providing(modules: Iterable[str]) -> frozenset[str]:
    """Return the names of the installed distributions that contain these modules; of the standard library, none.

    Several distributions share a namespace such as `google`, so the full name is looked up, and if it names a function
    or class, the module around it. A bare namespace belongs to every distribution with a part in it.

    Args:
      modules: dotted names: `google.protobuf.text_format`.
    """
    path = remembered.search_path()
    others = sorted({one for one in modules if one.partition(".")[0] not in sys.stdlib_module_names})
    return frozenset(
        remembered.answer("providing", others, lambda: sorted({n for one in others for n in _providing(path, one)}))
    )


def contains(folder: str, top: str) -> bool:
    """Whether an installer put a top-level package or module into a folder: metadata in the same folder list its files.

    An editable install has its metadata elsewhere, or an `.egg-info` beside the code, which only counts if the folder
    is one for installed packages.

    Args:
      folder: the folder, without symbolic links.
      top: the name of the package or module.
    """
    path = remembered.search_path()
    found: bool = remembered.answer("contains", [folder, top], lambda: _contains(path, folder, top))
    return found


def _contains(path: tuple[str, ...], folder: str, top: str) -> bool:
    is_for_installed = not _SITES.isdisjoint(folder.split(os.sep))
    found = (_installed(path)[name].distribution for name in _with_top(path).get(top, ()))
    return any(
        os.path.realpath(str(one.locate_file(""))) == folder
        and (is_for_installed or one.read_text("RECORD") is not None)
        for one in found
    )


@functools.cache
def _installed(path: tuple[str, ...]) -> dict[str, _Installed]:
    """Return every distribution on the search path, by name; of two with the same name, the first, which is in use."""
    import importlib.metadata  # 10 ms, which answers that are remembered save

    found: dict[str, _Installed] = {}
    for distribution in importlib.metadata.distributions(path=list(path)):
        one = _described(distribution)
        if one is not None:
            found.setdefault(one.name, one)
    return found


def _described(distribution: importlib.metadata.Distribution) -> _Installed | None:
    """Read only the headers: importlib.metadata also parses the README after them, which is ten times slower."""
    metadata = distribution.read_text("METADATA")
    text = metadata if metadata is not None else distribution.read_text("PKG-INFO") or ""
    fields: dict[str, list[str]] = {"Name": [], "Version": [], "Requires-Dist": []}
    for key, value in _HEADER.findall(_FOLD.sub(" ", _END_OF_HEADERS.split(text, maxsplit=1)[0])):
        fields[key].append(value.strip())
    if not (fields["Name"] and fields["Version"]):  # remains of an interrupted removal
        return None
    # An egg has its requirements in another file.
    requires = fields["Requires-Dist"] if metadata is not None else distribution.requires or []
    return _Installed(_normalised(fields["Name"][0]), fields["Version"][0], tuple(requires), distribution)


def _normalised(name: str) -> str:
    """Return the normalised name of a distribution, as Python's packaging specification defines it."""
    return _SEPARATORS.sub("-", name).lower()


@functools.cache
def _required(path: tuple[str, ...], name: str, extra: str) -> tuple[tuple[str, str], ...]:
    """Return what a distribution, or one extra of it, requires: pairs of a name and an extra ("" for none)."""
    # Takes 60 ms; reading commands import this module without using it.
    from packaging.requirements import InvalidRequirement, Requirement

    installed = _installed(path).get(name)
    found: list[tuple[str, str]] = []
    for text in installed.requires if installed else ():
        marker = text.partition(";")[2]
        extras = _OF_AN_EXTRA.findall(marker)
        if extras and extra not in map(_normalised, extras) and " or " not in marker:
            continue
        requirement = None
        if marker or "[" in text:  # of most requirements, no more than the name is needed
            with contextlib.suppress(InvalidRequirement):  # in old packages; too many are safer than too few
                requirement = Requirement(text)
        if requirement is None:
            found += [(_normalised(match[1]), "") for match in [_NAME.match(text)] if match]
        elif requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            wanted = _normalised(requirement.name)
            found.append((wanted, ""))
            found += [(wanted, _normalised(asked)) for asked in requirement.extras]
    return tuple(found)


@functools.cache
def _records(path: tuple[str, ...]) -> dict[str, str]:
    """Return the RECORD of every distribution, with a line break before each line."""
    found = {}
    for name, one in _installed(path).items():
        text = one.distribution.read_text("RECORD")
        if text is None:
            text = "\n".join(map(str, one.distribution.files or []))
        found[name] = "\n" + text + "\n"
    return found


@functools.cache
def _with_top(path: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the names of the distributions with files of each top-level module or package, in one pass over all."""
    found: dict[str, list[str]] = {}
    for name, text in _records(path).items():
        for top in set(_TOP.findall(text)):
            found.setdefault(top, []).append(name)
    return found


@functools.cache
def _providing(path: tuple[str, ...], module: str) -> frozenset[str]:
    records = {name: _records(path)[name] for name in _with_top(path).get(module.partition(".")[0], ())}
    place = module.replace(".", "/")
    # A module's own file, or a package's: `six.py`, `six/__init__.py`, `six.cpython-310-x86_64-linux-gnu.so`.
    file = re.compile(rf"\n{re.escape(place)}(?:/__init__)?\.(?:py|pyd|[^/\n]*so)[,\n]")
    holders = {name for name, text in records.items() if file.search(text)}
    if not holders:  # a namespace, or no module
        holders = {name for name, text in records.items() if f"\n{place}/" in text}
    parent = module.rpartition(".")[0]
    return frozenset(holders) if holders or not parent else _providing(path, parent)
