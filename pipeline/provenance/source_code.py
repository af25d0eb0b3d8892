"""What code a node runs: files of `components` and the distributions they import, read from the source alone."""

from __future__ import annotations

import ast
import functools
import importlib.util
import pathlib
from collections.abc import Iterator

from pipeline.core import file_digests
from pipeline.core.project import PROJECT
from pipeline.provenance import packages

_SHARED = "components"  # a node of another package may use its code


def files(module: str) -> dict[str, str]:
    """The files that a module of `components` consists of, with all modules of that package that it imports.

    Imports count at any depth, those inside functions and those for type checkers too; so does the `__init__.py` of
    every package on the way. Files that lie beside a module under its name, such as a template, are part of it. An
    import whose name is put together while the code runs is not seen.

    Args:
      module: `components.model.run_fn`.

    Returns:
      SHA-256 of the bytes, in hex, by path from the project's folder: `components/model/run_fn.py`.

    Raises:
      ModuleNotFoundError: `components` has no such module.
    """
    return {
        path.relative_to(_project(name) or PROJECT).as_posix(): file_digests.of_file(path)
        for name in _reachable(module)
        for path in _parts(_source(name))
    }


def distributions(module: str) -> frozenset[str]:
    """Names of the installed distributions that the same modules import themselves; not what those need in turn.

    Raises:
      ModuleNotFoundError: `components` has no such module.
    """
    imported = {name for known in _reachable(module) for name in _imports(known)}
    return packages.providing(name for name in imported if not _is_own(name, module))


def project_digest() -> str:
    """Digest of all of the project's code: both packages with what lies in them, and the configuration's module."""
    found = {}
    for path in (
        PROJECT / "pipeline_config.py",
        *(PROJECT / "components").rglob("*"),
        *(PROJECT / "pipeline").rglob("*"),
    ):
        inner = path.relative_to(PROJECT)
        if path.is_file() and not _is_left_over(path) and not any(part.startswith(".") for part in inner.parts):
            found[inner.as_posix()] = file_digests.of_file(path)
    return file_digests.of_mapping(found)


def _reachable(module: str) -> list[str]:
    """The module, the packages that it is in, and whatever of `components` they import; in the order of their names."""
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
    """Whether a name is of our code: of the package that the node's module is in, or of the shared one."""
    return name.partition(".")[0] in (_SHARED, module.partition(".")[0])


def _imports(module: str) -> frozenset[str]:
    """Full names of whatever a module imports, be they modules or what is in them."""
    source = _source(module)
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    return _imports_in(source.read_bytes(), package)


@functools.cache
def _imports_in(source: bytes, package: str) -> frozenset[str]:
    return frozenset(_names(ast.parse(source), package))


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                yield base if alias.name == "*" else f"{base}.{alias.name}"


def _parts(source: pathlib.Path) -> list[pathlib.Path]:
    """A module's file and those beside it under its name."""
    return [
        path
        for path in sorted(source.parent.glob(f"{source.stem}.*"))
        if path.stem == source.stem and path.is_file() and not _is_left_over(path)
    ]


def _is_left_over(path: pathlib.Path) -> bool:
    """Whether Python or an editor left it there."""
    return path.suffix == ".pyc" or path.name.endswith("~")


def _exists(module: str) -> bool:
    return _project(module) is not None and _source(module).is_file()


def _source(module: str) -> pathlib.Path:
    """The file of a module or package, whether or not it exists."""
    project = _project(module)
    assert project is not None
    place = project.joinpath(*module.split("."))
    package = place / "__init__.py"
    return package if package.is_file() else place.with_name(f"{place.name}.py")


@functools.cache
def _package_parent(package: str) -> pathlib.Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return pathlib.Path(next(iter(spec.submodule_search_locations))).parent


def _project(module: str) -> pathlib.Path | None:
    """The folder that holds a module's top-level package; None where there is none."""
    return _package_parent(module.partition(".")[0])
