"""Installed packages: which distributions provide a module, and what they need in turn. Nothing of them is imported."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping

from pipeline.core import file_digests
from pipeline.core.project import LOCK

OWN = "sae-pipeline"

_LOCKED_NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
_HEADER = re.compile(r"^(Name|Version|Requires-Dist):[ \t]*(.*)$", re.MULTILINE)
_END_OF_HEADERS = re.compile(r"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
# Most requirements are of extras that nobody asked for; to see that much, the marker need not be parsed.
_OF_AN_EXTRA = re.compile(r"""\bextra\s*==\s*["'][^"']""")
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_SEPARATORS = re.compile(r"[-_.]+")


@dataclasses.dataclass(frozen=True)
class _Installed:
    """A distribution as its metadata describe it.

    Attributes:
      name: normalised.
      requires: requirements as they are written, markers and all.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    distribution: importlib.metadata.Distribution


def closure(names: Iterable[str]) -> dict[str, str]:
    """These distributions and all that they require, at any depth, as far as it is installed: version by name.

    A requirement counts when its marker holds here; one of an extra counts only where that extra is asked for.

    Args:
      names: of distributions, in any spelling.
    """
    path = tuple(sys.path)
    installed = _installed(path)
    waiting = [(_normalised(name), "") for name in names]
    seen = set(waiting)
    while waiting:
        for wanted in _required(path, *waiting.pop()):
            if wanted not in seen:
                seen.add(wanted)
                waiting.append(wanted)
    return {name: installed[name].version for name in sorted({name for name, _ in seen}) if name in installed}


def installed_runtime() -> dict[str, str]:
    """What this project needs to run: version by name. Tools that only test or format it are not in it.

    Where the project itself is not installed, the lock says what it needs; where that is missing too, all that is
    installed counts, because any of it may be in use.
    """
    installed = _installed(tuple(sys.path))
    if OWN in installed:
        found = closure([OWN])
        del found[OWN]
        return found
    if LOCK.is_file():
        return closure(_LOCKED_NAME.findall(LOCK.read_text(encoding="utf-8")))
    return closure(installed)


def providing(modules: Iterable[str]) -> frozenset[str]:
    """Names of the installed distributions that hold these modules.

    Several distributions share a namespace such as `google`, hence the full name of a module is looked up, and where
    there is no such module, because it names a function or a class, the one around it. Of a bare namespace, all who
    have a part in it count. A module that no distribution holds, such as one of the standard library, has none.

    Args:
      modules: dotted names: `google.protobuf.text_format`.
    """
    path = tuple(sys.path)
    found: set[str] = set()
    for module in modules:
        if module.partition(".")[0] not in sys.stdlib_module_names:
            found |= _providing(path, module)
    return frozenset(found)


def digest(packages: Mapping[str, str]) -> str:
    """SHA-256, in hex, of names and versions; their order does not count."""
    return file_digests.of_mapping(packages)


@functools.cache
def _installed(path: tuple[str, ...]) -> dict[str, _Installed]:
    """Every distribution on the search path, by name. Of two with the same name the first is the one in use."""
    found: dict[str, _Installed] = {}
    for distribution in importlib.metadata.distributions(path=list(path)):
        one = _described(distribution)
        if one is not None:
            found.setdefault(one.name, one)
    return found


def _described(distribution: importlib.metadata.Distribution) -> _Installed | None:
    """Reads the headers alone: importlib.metadata parses the whole README that follows, ten times as slowly."""
    text = distribution.read_text("METADATA")
    requires = None if text is not None else distribution.requires or []  # an egg keeps them in a file of their own
    text = text if text is not None else distribution.read_text("PKG-INFO") or ""
    fields: dict[str, list[str]] = {"Name": [], "Version": [], "Requires-Dist": []}
    for key, value in _HEADER.findall(_FOLD.sub(" ", _END_OF_HEADERS.split(text, maxsplit=1)[0])):
        fields[key].append(value.strip())
    if not (fields["Name"] and fields["Version"]):  # the rest of a removal that was interrupted
        return None
    return _Installed(
        _normalised(fields["Name"][0]),
        fields["Version"][0],
        tuple(fields["Requires-Dist"] if requires is None else requires),
        distribution,
    )


def _normalised(name: str) -> str:
    """A distribution's name in the one spelling that Python's specification of names gives it."""
    return _SEPARATORS.sub("-", name).lower()


@functools.cache
def _required(path: tuple[str, ...], name: str, extra: str) -> tuple[tuple[str, str], ...]:
    """What a distribution requires, or what one extra of it adds: pairs of a name and an extra, or "" for none."""
    # Takes 60 ms, and commands that only read import this module without asking it for anything.
    from packaging.requirements import InvalidRequirement, Requirement

    installed = _installed(path).get(name)
    found: list[tuple[str, str]] = []
    for text in installed.requires if installed else ():
        marker = text.partition(";")[2]
        if not extra and _OF_AN_EXTRA.search(marker) and " or " not in marker:
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # as old packages have them; rather one package too many than one too few
            found += [(_normalised(match[1]), "") for match in [_NAME.match(text)] if match]
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            wanted = _normalised(requirement.name)
            found.append((wanted, ""))
            found += [(wanted, _normalised(asked)) for asked in requirement.extras]
    return tuple(found)


@functools.cache
def _records(path: tuple[str, ...]) -> dict[str, str]:
    """The list of files of every distribution, each line after a line break."""
    found = {}
    for name, one in _installed(path).items():
        text = one.distribution.read_text("RECORD")
        if text is None:
            text = "\n".join(map(str, one.distribution.files or []))
        found[name] = "\n" + text + "\n"
    return found


@functools.cache
def _providing(path: tuple[str, ...], module: str) -> frozenset[str]:
    records = _records(path)
    place = module.replace(".", "/")
    # A module's own file, or a package's: `six.py`, `six/__init__.py`, `six.cpython-310-x86_64-linux-gnu.so`.
    file = re.compile(rf"\n{re.escape(place)}(?:/__init__)?\.(?:py|pyd|[^/\n]*so)[,\n]")
    below = {name for name, text in records.items() if f"\n{place}." in text or f"\n{place}/" in text}
    holders = {name for name in below if file.search(records[name])}
    if not holders:  # a namespace, in which every package has a part, or no module at all
        holders = {name for name in below if f"\n{place}/" in records[name]}
    parent = module.rpartition(".")[0]
    return frozenset(holders) if holders or not parent else _providing(path, parent)
