"""The code that a node runs: its source files and the distributions that they import, found without importing them."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pipeline.core import file_digests
from pipeline.core.errors import UsageError
from pipeline.core.project import PROJECT
from pipeline.provenance import packages, remembered

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SHARED = "components"  # nodes of other packages may import it
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
    """Return the digests of the source files of a node's module and of all modules of its package that it imports.

    Imports count at any depth, also inside functions and for type checkers, and so does the `__init__.py` of each
    package. Files with the name of a module and another extension, such as a template, are part of it. Imports by a
    name that is computed at run time are not found.

    Args:
      module: `components.model.run_fn`.

    Returns:
      SHA-256 in hex, by path relative to the project: `components/model/run_fn.py`.

    Raises:
      UsageError: no package has such a module.
    """
    return {
        _relative(path, _project(name) or PROJECT): _digest(path)
        for name in _reachable(module)
        for path in _parts(_source(name))
    }


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


def distributions(module: str) -> frozenset[str]:
    """Return the names of the installed distributions that these modules import; not what those require in turn.

    Raises:
      UsageError: no package has such a module.
    """
    imported = {name for known in _reachable(module) for name in _imports(known)}
    return packages.providing(name for name in imported if not _is_own(name, module))


def project_digest() -> str:
    """Return one digest of all files of the project: both packages and the module of the configuration."""
    paths = [os.path.join(PROJECT, "pipeline_config.py")]
    for package in ("components", "pipeline"):
        for folder, folders, names in os.walk(os.path.join(PROJECT, package)):
            folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
            paths += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    found = {
        _relative(path, PROJECT): _digest(path) for path in paths if not _is_generated(path) and os.path.isfile(path)
    }
    return file_digests.of_mapping(found)


def _relative(path: str, project: pathlib.Path) -> str:
    """Return a path in a project relative to it. `os.path.relpath` asks for the working directory each time."""
    return path.removeprefix(os.path.join(project, ""))


def _current(path: str) -> str:
    try:
        place = os.path.join(_package_parent(path.partition("/")[0]) or PROJECT, path)
        found = os.stat(place)
        is_read = found.st_ctime < _imported_at and found.st_ctime_ns == _written(place)
        return file_digests.of_file(place) if is_read else ""
    except OSError:
        return ""


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
    """Return the module, its packages, and the project's modules that they import; sorted."""
    if not _exists(module):
        raise UsageError(
            f"no package has the module {module!r}, which a node declares as its code; move a module outside a package "
            "into one"
        )
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or not _is_own(name, module):
            continue
        if parent := name.rpartition(".")[0]:
            waiting.append(parent)  # importing a module runs the packages around it
        if _exists(name):
            seen.add(name)
            waiting.extend(_imports(name))
    return sorted(seen)


def _is_own(name: str, module: str) -> bool:
    """Whether a name is in the package of the node's module, or in the shared one."""
    return name.partition(".")[0] in (_SHARED, module.partition(".")[0])


@_once
def _imports(module: str) -> frozenset[str]:
    """Return the full names of the modules and module members that a module imports."""
    source = _source(module)
    package = module if os.path.basename(source) == "__init__.py" else module.rpartition(".")[0]
    with open(source, "rb") as file:
        return _imports_in(file.read(), package)


@functools.cache
def _imports_in(source: bytes, package: str) -> frozenset[str]:
    digest = hashlib.sha256(source).hexdigest()
    return frozenset(
        remembered.answer("imports", [digest, package], lambda: sorted({*_names(ast.parse(source), package)}))
    )


def _names(tree: ast.Module, package: str) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
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
    return _project(module) is not None and os.path.isfile(_source(module))


@_once
def _source(module: str) -> str:
    """Return the path of a module or package, whether or not it exists."""
    project = _project(module)
    assert project is not None
    place = os.path.join(project, *module.split("."))  # a key looks at thousands of paths: pathlib is too slow
    package = os.path.join(place, "__init__.py")
    return package if os.path.isfile(package) else f"{place}.py"


@functools.cache
def _package_parent(package: str) -> pathlib.Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return pathlib.Path(next(iter(spec.submodule_search_locations))).parent


def _project(module: str) -> pathlib.Path | None:
    """Return the folder of a module's top-level package; None if there is no such package."""
    return _package_parent(module.partition(".")[0])
