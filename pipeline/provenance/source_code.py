"""The code that a node runs: its source files and the distributions that they import, found without importing them.

Files count of the package of the node's module, of `components`, and of all other code of one's own: packages, and
modules outside packages, that are neither part of Python nor listed by the metadata of a distribution in the same
folder. So an editable install is code of one's own, because its files change without its version. Of all else that is
imported, the distribution counts, by its version.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pipeline.core import file_digests
from pipeline.core.errors import UsageError
from pipeline.core.project import PACKAGES, PROJECT
from pipeline.provenance import packages, remembered

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SHARED = "components"  # nodes of other packages may import it
_PACKAGE = "__init__.py"
_PYTHON = os.path.realpath(os.path.dirname(os.__file__))
# Fields of statements, handlers of exceptions and cases of `match` that contain statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_results: dict[Any, Any] | None = None  # results by function and arguments, while `read_once` lasts
_imported_at = float("inf")  # see `imported_at`


@contextlib.contextmanager
def read_once() -> Iterator[None]:
    """Read each file at most once while the context lasts: the keys of all nodes and the manifest are of one moment."""
    global _results
    outer, _results = _results, {} if _results is None else _results
    try:
        yield
    finally:
        _results = outer


def _once(find: _Function) -> _Function:
    """Decorate a function that reads files: while `read_once` lasts, call it once for the same arguments."""

    @functools.wraps(find)
    def found(*arguments: Any) -> Any:
        if _results is None:
            return find(*arguments)
        key = (find, *arguments)
        if key not in _results:
            _results[key] = find(*arguments)
        return _results[key]

    return found  # type: ignore[return-value]


def files(module: str) -> dict[str, str]:
    """Return the digests of the source files of a node's module and of all code of one's own that it imports.

    Imports count at any depth, also inside functions and for type checkers, and so does the `__init__.py` of each
    package. Files with the name of a module and another extension, such as a template, are part of it if it is in a
    package; beside other modules lies anything. Compiled modules, and imports by a name that is computed at run time,
    are not found.

    Args:
      module: `components.model.run_fn`.

    Returns:
      SHA-256 in hex, by path relative to the folder of the top-level package: `components/model/run_fn.py`.

    Raises:
      UsageError: no package has such a module.
    """
    found: dict[str, str] = {}
    for name in _reachable(module):
        source = _source(name)
        folder = name if _is_package(source) else name.rpartition(".")[0]
        inside = folder.replace(".", "/") + "/" * bool(folder)
        found |= {inside + os.path.basename(path): _digest(path) for path in (_parts(source) if inside else [source])}
    return found


def check(module: str) -> None:
    """Check that a node's module exists. Raises `UsageError` if no package has it."""
    if not _exists(module) or not ("." in module or _is_package(_source(module))):
        raise UsageError(
            f"no package has the module {module!r}, which a node declares as its code; move a module outside a package "
            "into one"
        )


def changed_since(recorded: Mapping[str, str]) -> list[str]:
    """Return which of the files that `files` returned have other bytes now, or none.

    While `read_once` lasts, also those that were written since they were read, because an edit that was undone may have
    been imported; after `imported_at`, those that were written since then.
    """
    return [path for path, digest in recorded.items() if _current(path) != digest]


def imported_at(time: float) -> None:
    """Let `changed_since` know that this process imported code from `time` on, in seconds as `time.time`."""
    global _imported_at
    _imported_at = time


def paths(module: str, recorded: Iterable[str]) -> tuple[pathlib.Path | None, list[str]]:
    """Return the file of a module, None if there is none, and where its top-level package and recorded files are.

    Args:
      module: `components.model.run_fn`.
      recorded: names of files as `files` returned them.
    """
    source = pathlib.Path(_source(module))
    others = [*_code(module.partition(".")[0]), *filter(None, map(_found, recorded))]
    return source if source.is_file() else None, others


def distributions(module: str) -> frozenset[str]:
    """Return the names of the installed distributions that these modules import; not what those require in turn.

    Raises:
      UsageError: no package has such a module.
    """
    top = module.partition(".")[0]
    return packages.providing({name for known in _reachable(module) for name in _imported(known, top)[1]})


def project_digest() -> str:
    """Return one digest of all files of the project: both packages and the module of the configuration."""
    paths = [os.path.join(PROJECT, "pipeline_config.py")]
    for package in PACKAGES:
        for folder, folders, names in os.walk(os.path.join(PROJECT, package)):
            folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
            paths += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    project = os.path.join(PROJECT, "")  # `os.path.relpath` asks for the working directory each time
    found = {
        path.removeprefix(project): _digest(path) for path in paths if not _is_generated(path) and os.path.isfile(path)
    }
    return file_digests.of_mapping(found)


def _current(path: str) -> str:
    try:
        place = _found(path)
        found = os.stat(place)
        is_read = found.st_ctime < _imported_at and found.st_ctime_ns == _written(place)
        return file_digests.of_file(place) if is_read else ""
    except OSError:
        return ""


def _found(path: str) -> str:
    """Return where a file is that `files` named; empty if it is gone."""
    top, _, inner = path.partition("/")
    places = [f"{place}/{inner}" for place in _code(top)] if inner else [f"{place}.py" for place in _code(top[:-3])]
    return next(filter(os.path.isfile, places), "")


@_once
def _digest(path: str) -> str:
    _written(path)  # before it is read
    return file_digests.of_file(path)


@_once
def _written(path: str) -> int:
    """Return when a file was written, in nanoseconds; tools that put back its time of modification do not set this."""
    return os.stat(path).st_ctime_ns


@_once
def _reachable(module: str) -> list[str]:
    """Return the module, its packages, and the modules of one's own that they import; sorted."""
    check(module)
    top = module.partition(".")[0]
    found: list[str] = []
    seen: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if parent := name.rpartition(".")[0]:
            waiting |= {parent} - seen  # importing a module runs the packages around it
        if _exists(name):
            found.append(name)
            waiting |= _imported(name, top)[0] - seen
    return sorted(found)


@_once
def _imported(module: str, package: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a module imports of code whose files count, and of all else; `package` is that of the node's module.

    A name may be in both: of a namespace, one part may be one's own and another one installed.
    """
    names = _imports(module)
    own = frozenset(name for name in names if (top := name.partition(".")[0]) in (_SHARED, package) or _own(top))
    return own, names - {name for name in own if _is_within(name)}


def _is_within(name: str) -> bool:
    """Whether a name is that of a module whose source is known, or in one; another part of a namespace is not."""
    parts = name.split(".")
    return any(_exists(".".join(parts[:count])) for count in range(1, len(parts) + 1))


@_once
def _imports(module: str) -> frozenset[str]:
    """Return the full names of the modules and module members that a module imports."""
    source = _source(module)
    package = module if _is_package(source) else module.rpartition(".")[0]
    with open(source, "rb") as file:
        return _imports_in(file.read(), package)


@functools.cache
def _imports_in(source: bytes, package: str) -> frozenset[str]:
    digest = hashlib.sha256(source).hexdigest()
    return frozenset(remembered.answer("imports", [digest, package], lambda: sorted({*_names(source, package)})))


def _is_package(source: str) -> bool:
    return os.path.basename(source) == _PACKAGE


def _names(source: bytes, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # Python cannot import it either
        return
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # as a module that works inside and outside a package tries
                continue
            for alias in node.names:
                yield base if alias.name == "*" else f"{base}.{alias.name}"


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield every statement, and not the expressions in it, as `ast.walk` does: those are most of a tree."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        one = waiting.pop()
        yield one
        for name in _BLOCKS:
            waiting += getattr(one, name, ())


@_once
def _parts(source: str) -> list[str]:
    """Return a module's file and those with the same name and another extension."""
    folder, own = os.path.split(source)
    stem = os.path.splitext(own)[0]
    names = (name for name in sorted(_names_in(folder)) if name.startswith(f"{stem}."))
    return [
        path
        for name in names
        if os.path.splitext(name)[0] == stem and not _is_generated(name)
        if os.path.isfile(path := os.path.join(folder, name))
    ]


@_once
def _names_in(folder: str) -> list[str]:
    return os.listdir(folder)


def _is_generated(path: str) -> bool:
    """Whether Python or an editor wrote the file."""
    return path.endswith((".pyc", "~"))


@_once
def _exists(module: str) -> bool:
    return os.path.isfile(_source(module))


@_once
def _source(module: str) -> str:
    """Return the path of a module or package; empty or that of no file if there is none."""
    top, *inner = module.split(".")
    path = ""
    for place in _code(top):
        stem = os.path.join(place, *inner)  # a key looks at thousands of paths: pathlib is too slow
        package = os.path.join(stem, _PACKAGE)
        path = package if os.path.isfile(package) else f"{stem}.py"
        if os.path.isfile(path):
            break
    return path


def _code(top: str) -> tuple[str, ...]:
    """Return the places of a top-level package or module whose files count: those of one's own, if there are any."""
    places = _places(top)
    return (_own(top) or places) if len(places) > 1 else places  # which are of one's own takes long to find out


@_once
def _own(top: str) -> tuple[str, ...]:
    """Return the places of a top-level package or module that belong neither to Python nor to an installed package."""
    folders = {place: _real_path(os.path.dirname(place)) for place in _places(top)}
    return tuple(place for place, folder in folders.items() if folder != _PYTHON and not packages.contains(folder, top))


_real_path = functools.cache(os.path.realpath)


@_once
def _places(top: str) -> tuple[str, ...]:
    """Return the paths, without extension, of a top-level package or module with source, as Python finds it.

    A package without `__init__.py` may be in several folders. Modules that are imported are not asked, because some
    append folders to their `__path__`. A file of another name is part of a library, as where setuptools puts its own
    `distutils` in place of Python's.
    """
    spec = next(filter(None, (_spec(finder, top) for finder in sys.meta_path)), None)
    if spec is None:
        return ()
    if spec.submodule_search_locations:
        return tuple(filter(os.path.isdir, spec.submodule_search_locations))
    stem, extension = os.path.splitext(spec.origin or "")
    return (stem,) if extension == ".py" and os.path.basename(stem) == top else ()


def _spec(finder: Any, top: str) -> importlib.machinery.ModuleSpec | None:
    path = list(remembered.search_path()) if finder is importlib.machinery.PathFinder else None
    find = getattr(finder, "find_spec", None)  # finders of before Python 3.4 have none
    found: importlib.machinery.ModuleSpec | None = find(top, path) if find else None
    return found
