"""The code that a node runs: its source files and the distributions that they import, found without importing them."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import pathlib
from collections.abc import Iterator

from pipeline.core import file_digests
from pipeline.core.project import PROJECT
from pipeline.provenance import packages

_SHARED = "components"  # nodes of other packages may import it
# Fields of statements, handlers of exceptions and cases of `match` that contain statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


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
      ModuleNotFoundError: there is no such module.
    """
    return {
        path.relative_to(_project(name) or PROJECT).as_posix(): file_digests.of_file(path)
        for name in _reachable(module)
        for path in _parts(pathlib.Path(_source(name)))
    }


def distributions(module: str) -> frozenset[str]:
    """Return the names of the installed distributions that these modules import; not what those require in turn.

    Raises:
      ModuleNotFoundError: there is no such module.
    """
    imported = {name for known in _reachable(module) for name in _imports(known)}
    return packages.providing(name for name in imported if not _is_own(name, module))


def project_digest() -> str:
    """Return one digest of all files of the project: both packages and the module of the configuration."""
    found = {}
    for path in (PROJECT / "pipeline_config.py", *PROJECT.glob("components/**/*"), *PROJECT.glob("pipeline/**/*")):
        inner = path.relative_to(PROJECT)
        if path.is_file() and not _is_generated(path) and not any(part.startswith(".") for part in inner.parts):
            found[inner.as_posix()] = file_digests.of_file(path)
    return file_digests.of_mapping(found)


def _reachable(module: str) -> list[str]:
    """Return the module, its packages, and the project's modules that they import; sorted."""
    if not _exists(module):
        raise ModuleNotFoundError(f"there is no module {module!r} of a node")
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


def _imports(module: str) -> frozenset[str]:
    """Return the full names of the modules and module members that a module imports."""
    source = _source(module)
    package = module if os.path.basename(source) == "__init__.py" else module.rpartition(".")[0]
    with open(source, "rb") as file:
        return _imports_in(file.read(), package)


@functools.cache
def _imports_in(source: bytes, package: str) -> frozenset[str]:
    return frozenset(_names(ast.parse(source), package))


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


def _parts(source: pathlib.Path) -> list[pathlib.Path]:
    """Return a module's file and those with the same name and another extension."""
    names = (name for name in sorted(os.listdir(source.parent)) if name.startswith(f"{source.stem}."))
    return [
        path
        for path in map(source.parent.joinpath, names)
        if path.stem == source.stem and path.is_file() and not _is_generated(path)
    ]


def _is_generated(path: pathlib.Path) -> bool:
    """Whether Python or an editor wrote the file."""
    return path.suffix == ".pyc" or path.name.endswith("~")


def _exists(module: str) -> bool:
    return _project(module) is not None and os.path.isfile(_source(module))


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
